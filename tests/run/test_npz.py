"""Arrays that are mapped rather than read, in a file that numpy reads as well."""

import io

import numpy as np
import pytest

from listing_vibes.run.npz import ALIGNED, places_of, read_npz, write_npz

ARRAYS = {
    "listing_id": np.array(["a", "übermorgen"]),
    "model": np.arange(6, dtype=np.float16).reshape(2, 3),
    "a rather long name of a space": np.ones((2, 1), np.float16),
    "empty": np.zeros((0, 4), np.float16),
}


def bytes_of(arrays):
    stream = io.BytesIO()
    write_npz(stream, arrays)
    return stream.getvalue()


def test_numpy_reads_what_is_written_and_the_bytes_are_the_same_each_time(tmp_path):
    content = bytes_of(ARRAYS)
    assert content == bytes_of(ARRAYS)
    with np.load(io.BytesIO(content)) as stored:
        assert stored.files == list(ARRAYS)
        assert all(np.array_equal(stored[name], array) for name, array in ARRAYS.items())


def test_every_array_begins_where_it_can_be_mapped(tmp_path):
    path = tmp_path / "arrays.npz"
    path.write_bytes(bytes_of(ARRAYS))
    assert all(place.begins % ALIGNED == 0 for place in places_of(path).values())
    read = read_npz(path, [*ARRAYS, "not there"])
    assert list(read) == list(ARRAYS)
    assert all(np.array_equal(read[name], array) for name, array in ARRAYS.items())
    assert isinstance(read["model"].base, np.memmap) and type(read["model"]) is np.ndarray
    with pytest.raises(ValueError, match="read-only"):
        read["model"][0, 0] = 1


def test_a_file_as_numpy_writes_it_is_read(tmp_path):
    path = tmp_path / "arrays.npz"
    np.savez(path, **ARRAYS)
    read = read_npz(path, ["model"])
    assert list(read) == ["model"] and np.array_equal(read["model"], ARRAYS["model"])
    assert not isinstance(read["model"].base, np.memmap)
