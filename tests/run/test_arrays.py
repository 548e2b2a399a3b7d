"""The array format of a run: what is written is mapped again, and what is no such file is refused."""

import numpy as np
import pytest

from listing_vibes.run.arrays import map_arrays, read_note, save_arrays, to_strings

ARRAYS = {
    "listing_id": np.array(["a", "home-0002", "ü"]),
    "model": np.arange(12, dtype=np.float16).reshape(3, 4),
    "offset": np.arange(4),
    "empty": np.zeros((0, 4), np.float32),
}


def test_arrays_are_mapped_as_they_were_and_the_same_ones_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save_arrays(tmp_path / name, ARRAYS, "a note")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    arrays = map_arrays(tmp_path / "one")
    assert read_note(tmp_path / "one") == "a note" and read_note(tmp_path / "none") == ""
    assert to_strings(arrays.pop("listing_id")).tolist() == ARRAYS["listing_id"].tolist()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert array.dtype == ARRAYS[name].dtype
    base = arrays["model"]
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize(
    "change", [lambda b: b"", lambda b: b[:40], lambda b: b[:-1], lambda b: b[:8] + b"x" + b[9:]]
)
def test_a_damaged_file_is_refused(tmp_path, change):
    path = tmp_path / "arrays"
    save_arrays(path, ARRAYS)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Exception):  # noqa: B017
        map_arrays(path)
    assert read_note(path) == ""
