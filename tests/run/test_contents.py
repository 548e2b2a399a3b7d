"""A run folder is checked, not believed."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from listing_vibes.errors import VibesError
from listing_vibes.run.contents import LISTINGS, seal
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from run.damages import DAMAGES, SMALL_RUN, read_all


@pytest.fixture
def place(tmp_path):
    """A run to be damaged, which records nothing of its files."""
    shutil.copytree(SMALL_RUN, tmp_path / "small")
    run = tmp_path / "small" / "run"
    Manifest.load(run).model_copy(update={"files": {}}).save(run)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_told_in_one_sentence_that_names_the_file(name, place):
    file, damage = DAMAGES[name]
    damage(place)
    with pytest.raises(VibesError) as told:
        read_all(place)
    assert file in str(told.value) and "\n" not in str(told.value), told.value
    assert ";" in str(told.value)  # the hint


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
    with pytest.raises(VibesError, match=rf"{name} .*bytes, not"):
        Run.open(place)


@pytest.mark.parametrize("content", [None, b"torn"])
def test_what_is_derived_is_made_again(place, content):
    seal(place, Manifest.load(place))
    (place / "prepared.safetensors").unlink()
    if content:
        (place / "prepared.safetensors").write_bytes(content)
    read_all(place)


def test_vectors_that_nobody_asks_for_are_not_read(place):
    """Of a large run one space is answered by; what is wrong in another is told when that is asked for."""
    arrays = load_file(place / LISTINGS)
    arrays["attributes"] = np.full_like(arrays["attributes"], np.nan)
    save_file(arrays, place / LISTINGS)
    run = Run.open(place)
    assert len(run.similar("home-0003", k=5)) == 5
    with pytest.raises(VibesError, match=r"is damaged \(attributes contains NaN"):
        run.similar("home-0003", k=5, space="attributes")
