"""A run folder is checked, not believed; one of the first format opens."""

import shutil

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.run.contents import READ_WHOLE, heads_of, seal
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.npz import write_npz
from listing_vibes.run.run import Run
from run.damages import DAMAGES, FIRST, read_all


@pytest.fixture
def place(tmp_path):
    """A run of the first format, to be damaged: it says nothing of its files."""
    shutil.copytree(FIRST, tmp_path / "first")
    return tmp_path / "first" / "run"


def test_a_run_of_the_first_format_opens_and_answers(place):
    run = Run.open(place)
    assert not run.manifest.files and run.spaces == ["model", "attributes"] and not run.market_changed
    assert len(run.similar("home-0003", k=5)) == 5 and len(run.recommend("user-0001", k=5)) == 5
    vectors = run.engine.encode_listings()
    assert (vectors * run.vectors("model")).sum(axis=1).min() > 0.99
    read_all(place)


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_told_in_one_sentence_that_names_the_file(name, place):
    file, damage = DAMAGES[name]
    damage(place)
    with pytest.raises(VibesError) as told:
        read_all(place)
    assert file in str(told.value) and "\n" not in str(told.value), told.value
    assert ";" in str(told.value)  # the mend


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["listings.npz", "model.safetensors", "vocabulary.json", "features.safetensors"]
)
def test_a_file_that_is_not_the_one_that_was_written_is_told(name, place):
    if name == "features.safetensors":  # there is nothing in it to be changed
        pytest.skip("empty in this run")
    seal(place, Manifest.load(place))
    read_all(place)
    content = bytearray((place / name).read_bytes())
    content[-100] ^= 1  # same size, and often still a sound file
    (place / name).write_bytes(content)
    with pytest.raises(VibesError, match=rf"{name} is (not the file that run.toml tells of|damaged)"):
        read_all(place)
    (place / name).write_bytes(content + b" ")
    with pytest.raises(VibesError, match=rf"{name} .*bytes, not"):
        Run.open(place)


def test_run_toml_tells_digest_shape_and_type(place):
    sealed = seal(place, Manifest.load(place)).files
    assert sealed["listings.npz"].arrays["model"] == "float16 [24, 8]"
    assert set(sealed) >= {"listings.npz", "model.safetensors", "vocabulary.json", "prepared.safetensors"}
    assert all(len(facts.sha256) == 64 and facts.bytes > 0 for facts in sealed.values())
    assert Manifest.load(place).files == sealed


def test_an_array_of_another_shape_is_told_on_opening(place):
    seal(place, Manifest.load(place))
    with np.load(place / "listings.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["model"] = np.ascontiguousarray(arrays["model"].T)  # as many bytes
    np.savez(place / "listings.npz", **arrays)
    with pytest.raises(VibesError, match=r"listings\.npz is not the file"):
        Run.open(place)


def test_what_is_derived_is_made_again(place):
    (place / "prepared.safetensors").write_bytes(b"torn")
    read_all(place)
    (place / "prepared.safetensors").unlink()
    read_all(place)


def test_what_is_derived_and_differs_is_made_again(place):
    seal(place, Manifest.load(place))
    content = bytearray((place / "prepared.safetensors").read_bytes())
    content[-1] ^= 1
    (place / "prepared.safetensors").write_bytes(content)
    read_all(place)


def test_vectors_that_nobody_asks_for_are_not_read(place):
    """Of a large run one space is answered by; what is wrong in another is told when that is asked for."""
    with np.load(place / "listings.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["attributes"] = np.full_like(arrays["attributes"], np.nan)
    with (place / "listings.npz").open("wb") as stream:
        write_npz(stream, arrays)
    run = Run.open(place)
    assert len(run.similar("home-0003", k=5)) == 5
    with pytest.raises(VibesError, match=r"listings\.npz is damaged \(attributes holds NaN"):
        run.similar("home-0003", k=5, space="attributes")


def test_a_header_that_claims_a_terabyte_costs_nothing(place):
    assert READ_WHOLE < 2**30
    path = place / "listings.npz"
    head = b"{'descr': '<f2', 'fortran_order': False, 'shape': (24, 8), }"
    assert head in path.read_bytes()
    path.write_bytes(
        path.read_bytes().replace(head, head.replace(b"(24, 8), }", b"(9999999, 99999)}")[: len(head)])
    )
    with pytest.raises(VibesError, match=r"listings\.npz is damaged"):
        heads_of(path)
