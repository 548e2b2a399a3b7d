"""The files of a run: written and mapped alike, checked and not believed, computed again where they are derived."""

import shutil

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
from listing_vibes.run.contents import DERIVED, LISTINGS, map_arrays, read_note, save_arrays, seal, to_strings
from listing_vibes.run.engine import Engine
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from run.damages import DAMAGES, SMALL_RUN, read_all

ARRAYS = {
    "listing_id": np.array(["a", "home-0002", "ü"]),
    "model": np.arange(12, dtype=np.float16).reshape(3, 4),
    "offset": np.arange(4),
    "empty": np.zeros((0, 4), np.float32),
}


@pytest.fixture
def place(tmp_path):
    """A run to be damaged, which records nothing of its files."""
    shutil.copytree(SMALL_RUN, tmp_path / "small")
    run = tmp_path / "small" / "run"
    Manifest.load(run).model_copy(update={"files": {}}).save(run)
    return run


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


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_told_in_one_sentence_that_names_the_file(name, place):
    file, damage = DAMAGES[name]
    damage(place)
    with pytest.raises(VibesError) as error:
        read_all(place)
    assert file in str(error.value) and "\n" not in str(error.value), error.value
    assert ";" in str(error.value)  # the hint


@pytest.mark.parametrize("name", [LISTINGS, "model.safetensors", "vocabulary.json"])
def test_a_file_that_is_not_the_one_that_was_written_is_told(name, place):
    sealed = seal(place, Manifest.load(place))
    assert Manifest.load(place).files == sealed.files
    read_all(place)
    content = bytearray((place / name).read_bytes())
    content[-100] ^= 1  # same size, and often still a sound file
    (place / name).write_bytes(content)
    with pytest.raises(VibesError, match=name):
        read_all(place)
    (place / name).write_bytes(content + b" ")
    with pytest.raises(VibesError, match=name):
        Run.open(place)


def _far(arrays: dict[str, np.ndarray]) -> None:
    arrays["tokens.value"] = np.full_like(arrays["tokens.value"], 10**6)


@pytest.mark.parametrize("is_sealed", [True, False])
@pytest.mark.parametrize("content", [None, b"torn", _far], ids=["gone", "torn", "another vocabulary"])
def test_what_is_derived_is_computed_again(place, content, is_sealed):
    if is_sealed:
        seal(place, Manifest.load(place))
    note, arrays = read_note(place / DERIVED), {**map_arrays(place / DERIVED)}
    (place / DERIVED).unlink()
    if content is _far:
        content(arrays)
        save_arrays(place / DERIVED, arrays, note)
    elif content is not None:
        (place / DERIVED).write_bytes(content)
    read_all(place)
    assert np.isfinite(Run.open(place).engine.encode_listings()).all()


def test_stored_features_are_those_that_are_computed_unless_the_market_changed(trained, tmp_path):
    run, market = tmp_path / "run", tmp_path / "market"
    shutil.copytree(trained.path, run)
    shutil.copytree(trained.market.path, market)
    settings, opened = trained.manifest.settings, Market.open(market)
    stored = Engine.load(run, trained.market, settings)
    (run / DERIVED).unlink()
    computed = Engine.load(run, trained.market, settings)
    for name, array in vars(stored.features.tokens).items():
        np.testing.assert_array_equal(array, getattr(computed.features.tokens, name), err_msg=name)
    np.testing.assert_array_equal(stored.encode_listings(), computed.encode_listings())
    opened.listings.assign(price=opened.listings["price"] * 3).to_parquet(market / "listings.parquet")
    changed = Engine.load(trained.path, Market.open(market), settings)
    assert not np.array_equal(changed.features.tokens.bin, stored.features.tokens.bin)
