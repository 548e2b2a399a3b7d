"""The files of a run: written and mapped alike, checked and not believed, computed again where they are derived."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from listing_vibes.ablation.table import COLUMNS, read_ablation
from listing_vibes.errors import VibesError
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.rankings import ABOUT, load_rankings
from listing_vibes.market.market import Market
from listing_vibes.run.blends import load_blends
from listing_vibes.run.engine import Engine
from listing_vibes.run.manifest import (
    DERIVED,
    LISTINGS,
    Manifest,
    map_arrays,
    read_note,
    save_arrays,
    seal,
    to_strings,
)
from listing_vibes.run.run import Run

SMALL_RUN = Path(__file__).parent / "small_run"
WEIGHTS = "model.safetensors"
ARRAYS = {
    "listing_id": np.array(["a", "home-0002", "ü"]),
    "model": np.arange(12, dtype=np.float16).reshape(3, 4),
    "offset": np.arange(4),
    "empty": np.zeros((0, 4), np.float32),
}


def arrays(name: str, change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]):
    """Return a damage of the arrays of a file."""
    return lambda run: save_file(
        {key: np.ascontiguousarray(value) for key, value in change(load_file(run / name)).items()}, run / name
    )


def text(name: str, content: str | bytes):
    """Return a damage that replaces a file."""
    return lambda run: (run / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def table(name: str, **columns: object):
    return lambda run: pd.DataFrame(columns).to_parquet(run / name)


def setting(old: str, new: str):
    def damage(run: Path) -> None:
        before = (run / "run.toml").read_text()
        assert old in before
        (run / "run.toml").write_text(before.replace(old, new))

    return damage


def spoiled(array: np.ndarray) -> np.ndarray:
    array.reshape(-1)[:1] = np.nan
    return array


IDS = [f"home-{number:04d}" for number in range(24)]
PLACES = {"space": "model", "listing_id": IDS, "x": 0.5, "y": 0.5, "cluster": 0}
ABLATION = {name: [1] for name in COLUMNS} | {"variant": "full", "slice": "all", "metric": "recall"}
DAMAGES = [
    (LISTINGS, arrays(LISTINGS, lambda a: a | {"model": a["model"][:5]})),
    (LISTINGS, arrays(LISTINGS, lambda a: a | {"model": spoiled(a["model"])})),
    (LISTINGS, arrays(LISTINGS, lambda a: a | {"model": a["model"].astype(np.int8)})),
    (LISTINGS, arrays(LISTINGS, lambda a: a | {"listing_id": np.repeat(a["listing_id"][:12], 2, axis=0)})),
    (LISTINGS, arrays(LISTINGS, lambda a: {"listing_id": a["listing_id"]})),
    (LISTINGS, text(LISTINGS, b"")),
    (LISTINGS, lambda run: (run / LISTINGS).unlink()),
    (WEIGHTS, arrays(WEIGHTS, lambda a: {name: value.astype(np.int8) for name, value in a.items()})),
    (WEIGHTS, arrays(WEIGHTS, lambda a: {name: spoiled(value) for name, value in a.items()})),
    (WEIGHTS, arrays(WEIGHTS, lambda a: {name: value.T for name, value in a.items()})),
    (WEIGHTS, text(WEIGHTS, b"\x10\x00\x00\x00\x00\x00\x00\x00{}")),
    ("features.safetensors", text("features.safetensors", b"")),
    ("vocabulary.json", lambda run: (run / "vocabulary.json").unlink()),
    ("vocabulary.json", text("vocabulary.json", "[" * 100_000)),
    ("run.toml", text("run.toml", "format = 1\nx = " + "[" * 5000)),
    ("run.toml", setting("seed = 0", "seed = " + "9" * 5000)),
    ("run.toml", setting("width = 8", "width = 800000")),
    ("current.json", text("current.json", '{"base": "x", "version": -3, "made": 0, "model": 0}')),
    ("metrics.json", text("metrics.json", '{"results": {"model": {"recall@30": {"value": "much"}}}}')),
    ("metrics.json", text("metrics.json", '{"a":' * 50_000)),
    ("serving.json", text("serving.json", '[{"name": "model + recency", "weight": Infinity}]')),
    ("map.parquet", table("map.parquet", **PLACES | {"x": np.nan})),
    ("map.parquet", text("map.parquet", b"PAR1")),
    ("ablation.parquet", table("ablation.parquet", **ABLATION | {"value": "good"})),
    (
        "queries.parquet",
        table(
            "queries.parquet",
            user_id=["a"],
            at=[1],
            target=["b"],
            **{key: [1] for key in ABOUT},
            **{"rank of a": ["1st"]},
        ),
    ),
]


def read_all(path: Path) -> None:
    """Read everything that is ever read of a run."""
    run = Run.open(path)
    for space in run.spaces:
        run.similar(run.listing_ids[0], 3, space)
    run.recommend(run.log.users[0], 3)
    _ = run.metrics, run.transferred, load_blends(path), read_map(run), load_rankings(run)
    _ = read_ablation(path / "ablation.parquet")


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
    mapped = map_arrays(tmp_path / "one")
    assert read_note(tmp_path / "one") == "a note" and read_note(tmp_path / "none") == ""
    assert to_strings(mapped.pop("listing_id")).tolist() == ARRAYS["listing_id"].tolist()
    for name, array in mapped.items():
        np.testing.assert_array_equal(array, ARRAYS[name])
        assert array.dtype == ARRAYS[name].dtype
    base = mapped["model"]
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "damage"), DAMAGES)
def test_damage_is_told_in_one_sentence_that_names_the_file(file, damage, place):
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
    note, stored = read_note(place / DERIVED), {**map_arrays(place / DERIVED)}
    (place / DERIVED).unlink()
    if content is _far:
        content(stored)
        save_arrays(place / DERIVED, stored, note)
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
