"""Grids, controls and the table of an ablation."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from helpers.tiny import random_photos
from listing_vibes.ablation.ablate import Ablation, check_seeds, save_figure
from listing_vibes.ablation.grid import CONTROLS, PACKAGED, available_inputs, donors, left_out, load_grid
from listing_vibes.ablation.table import COLUMNS, Measured, ablation_table, ladder, read_ablation
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import holm, sign_flip_p
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings

rng = np.random.default_rng(0)
USER = np.sort(rng.integers(0, 40, 120))
GOOD, BAD = rng.integers(1, 60, (3, 120)), rng.integers(20, 200, 120)
COLD = rng.random(120) < 0.3
MEASURED = [
    Measured("ids", None, {0: BAD}, "ladder", {0: (0.5, 0.4, 0.6)}),
    Measured(
        "full", "ids", dict(enumerate(GOOD)), "ladder", {seed: (0.1 * seed, None, None) for seed in range(3)}
    ),
    Measured("same", "full", {seed: GOOD[seed] + (GOOD[seed] == 30) for seed in range(3)}, "losses"),
]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return ablation_table(MEASURED, USER, {"cold listings": COLD, "week 9": np.zeros(120, bool)})


def recalls(ranks: np.ndarray) -> np.ndarray:
    return np.array([np.mean(ranks[user == USER] <= 30) for user in np.unique(USER)])


def row(table: pd.DataFrame, variant: str, seed: int | None, name: str = "all", metric: str = "recall", k=30):
    rows = table[(table["variant"] == variant) & (table["slice"] == name) & (table["metric"] == metric)]
    rows = rows[rows["seed"].isna()] if seed is None else rows[rows["seed"] == seed]
    rows = rows[rows["k"].isna()] if k is None else rows[rows["k"] == k]
    assert len(rows) == 1
    return rows.iloc[0]


def test_values_and_differences_are_those_of_a_slow_twin(table):
    assert tuple(table.columns) == COLUMNS
    ids, full, same = (variant.ranks for variant in MEASURED)
    mean, base = np.mean([recalls(full[seed]) for seed in range(3)], axis=0), recalls(ids[0])
    found = row(table, "full", None)
    assert found["value"] == pytest.approx(mean.mean()) and found["queries"] == 120
    assert found["reference"] == "ids" and found["low"] < found["value"] < found["high"]
    assert found["difference"] == pytest.approx((mean - base).mean())
    other = np.mean([recalls(same[seed]) for seed in range(3)], axis=0) - mean
    p_values = sign_flip_p(np.column_stack([mean - base, other]))
    assert [row(table, name, None)["p_value"] for name in ("full", "same")] == pytest.approx(holm(p_values))
    seed = row(table, "full", 1)
    assert seed["value"] == pytest.approx(recalls(full[1]).mean())
    assert seed["difference"] == pytest.approx(recalls(full[1]).mean() - base.mean())
    first = row(table, "ids", None)
    assert pd.isna(first["reference"]) and pd.isna(first["difference"]) and pd.isna(first["p_value"])


def test_slices_count_their_queries_and_empty_ones_have_no_rows(table):
    found = row(table, "full", None, "cold listings", "mrr", None)
    ranks = MEASURED[1].ranks
    slow = [
        np.mean([np.mean(1 / ranks[seed][COLD & (user == USER)]) for user in np.unique(USER[COLD])])
        for seed in range(3)
    ]
    assert found["value"] == pytest.approx(np.mean(slow)) and found["queries"] == COLD.sum()
    assert set(table["slice"]) == {"all", "cold listings"}
    assert table[table["slice"] != "all"]["seed"].isna().all()


def test_order_seeds_and_coverage(table, tmp_path):
    assert list(dict.fromkeys(table["variant"])) == ["ids", "full", "same"]
    seeds = {name: set(rows["seed"].dropna()) for name, rows in table.groupby("variant")}
    assert seeds == {"ids": {0}, "full": {0, 1, 2}, "same": {0, 1, 2}}
    coverage = row(table, "full", None, metric="coverage")
    assert coverage["value"] == pytest.approx(0.1)
    assert pd.isna(coverage["low"]) and pd.isna(coverage["difference"])
    assert row(table, "ids", 0, metric="coverage")["high"] == 0.6
    table.to_parquet(tmp_path / "a.parquet", index=False)
    pd.testing.assert_frame_equal(read_ablation(tmp_path / "a.parquet"), table, check_dtype=False)


def test_the_text_says_what_the_table_says(table):
    found = Ablation(table, MEASURED, "A market", {"x": "'x' is left out."}, {"y": "broke."}, {})
    rows = [line.split() for line in found.text().splitlines() if line.startswith(("ladder ", "losses "))]
    assert [row[:2] for row in rows] == [["ladder", "ids"], ["ladder", "full"], ["losses", "same"]]
    assert "ids" not in rows[0][2:] and "ids" in rows[1][2:]  # the reference of the second
    assert f"{row(table, 'full', None)['value']:.3f}" in rows[1]
    assert "'x' is left out." in found.text() and "'y' failed: broke." in found.text()


@pytest.mark.slow
def test_the_figure_is_written_twice_the_same_and_names_variants_in_order(table, tmp_path):
    for name in ("one", "two"):
        save_figure(table, MEASURED, tmp_path / f"{name}.x", "A market")
    for ending in (".png", ".svg"):
        one, two = ((tmp_path / name).with_suffix(ending).read_bytes() for name in ("one", "two"))
        assert one == two and len(one) > 3000
    drawn = (tmp_path / "one.svg").read_text()
    places = [drawn.index(f">{name}<") for name in ("ids", "full", "same")]
    assert places == sorted(places) and f"{row(table, 'full', None)['difference']:+.3f}" in drawn


CHAIN = ("popularity", "best id model", "attributes", "+ meta", "full", "oracle")
LABELS = ["Ids alone", "Attributes", "+ actions", "+ photos", "Ceiling"]


def chain(without: str = "") -> pd.DataFrame:
    """Return an ablation in which each variant has one more hit in ten queries than the one before it."""
    user, names = np.repeat(np.arange(30), 2), [name for name in CHAIN if name != without]
    ranks = {name: np.where(np.arange(len(user)) % 10 <= CHAIN.index(name), 1, 99) for name in names}
    references = dict(zip(names[1:], names, strict=False))
    measured = [Measured(name, references.get(name), {0: ranks[name]}) for name in names]
    return ablation_table(measured, user, {})


def test_each_rung_of_the_ladder_is_what_it_adds_to_the_one_before():
    rungs = ladder(chain())
    assert [rung.label for rung in rungs] == LABELS and rungs[0].gain is None
    assert all(rung.gain == pytest.approx(rung.value - before.value) for before, rung in pairwise(rungs))
    for lacking, label in (("full", "+ photos"), ("+ meta", "+ actions"), ("oracle", "Ceiling")):
        assert [rung.label for rung in ladder(chain(lacking))] == [name for name in LABELS if name != label]
    broken = chain()
    broken.loc[broken["variant"] == "full", "reference"] = "popularity"
    assert ladder(chain("best id model")) == ladder(broken) == []


EVERYTHING = {"photos", "text", "event features", "times"}


def test_variants_share_the_base_and_keep_their_order(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(
        'base.training.max_steps = 7\n[[variant]]\nname = "b"\nset = { features.photos = 0, training.loss = "next" }\n'
        '[[variant]]\nname = "a"\nreference = "b"\n'
    )
    loaded = load_grid(path)
    assert [variant.name for variant in loaded.variants] == ["b", "a"]
    first, second = (loaded.settings(variant) for variant in loaded.variants)
    assert (first.features.photos, first.training.loss, first.training.max_steps) == (0, "next", 7)
    assert second == Settings.of({"training": {"max_steps": 7}})


@pytest.mark.parametrize(
    "text",
    [
        "[[variant]\n",
        "variant = []\n",
        '[[variant]]\nname = "a"\nspeed = 1\n',
        '[[variant]]\nname = "a"\nset.training.speed = 1\n',
        '[[variant]]\nname = "a"\nset.encoder.width = 33\n',
        '[[variant]]\nname = "a"\nset.seed = 1\n',
        '[[variant]]\nname = "a"\nset.split.t1 = 1\n',
        '[[variant]]\nname = "a"\n[[variant]]\nname = "a"\n',
        '[[variant]]\nname = "a"\nreference = "b"\n',
        '[[variant]]\nname = "a"\nbaseline = "sasrec"\n',
        '[[variant]]\nname = "a"\nbaseline = "ease"\ncontrol = "shuffled-photos"\n',
        '[[variant]]\nname = "a"\nneeds = ["luck"]\n',
        '[[variant]]\nname = "a"\ncontrol = "luck"\n',
        'base.seed = 3\n[[variant]]\nname = "a"\n',
        None,
    ],
)
def test_a_bad_grid_is_one_sentence(tmp_path, text):
    path = tmp_path / "grid.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(VibesError) as raised:
        load_grid(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_grids_name_settings_that_exist(name):
    loaded = load_grid(name)
    assert not left_out(loaded, EVERYTHING, has_oracle=True)
    assert all(variant.question for variant in loaded.variants)
    full = next(variant for variant in loaded.variants if variant.name == "full")
    assert loaded.settings(full) == Settings(), "the full model is what `vibes train` makes"


@pytest.mark.parametrize("name", PACKAGED)
@pytest.mark.parametrize("inputs", [set(), {"text", "times"}, EVERYTHING - {"photos"}])
def test_a_variant_whose_input_is_missing_is_left_out_and_its_reference_stands_in(name, inputs):
    loaded = load_grid(name)
    without = left_out(loaded, inputs)
    variants = [variant for variant in loaded.variants if variant.name not in without]
    names = [variant.name for variant in variants]
    assert "oracle" in without and ("full" in names) == ("photos" in inputs)
    for number, variant in enumerate(variants):
        assert set(variant.needs) <= inputs
        assert loaded.reference_of(variant, names) in (None, *names[:number])
    if name == "default":
        best = "full" if "photos" in inputs else "+ meta" if "event features" in inputs else "attributes"
        losses = next(variant for variant in variants if variant.name == "loss log_in")
        assert loaded.reference_of(losses, names) == best


@pytest.mark.parametrize("seeds", [(), (1, 1), (0, -1)])
def test_seeds_are_those_of_trainings(seeds):
    with pytest.raises(VibesError):
        check_seeds(seeds)


def test_inputs_are_what_the_tables_hold(tiny_market):
    assert available_inputs(Market.open(tiny_market(photos=3))) == EVERYTHING
    bare = Market.open(tiny_market("bare", photos=0))
    events = bare.events.drop(columns=["action", "duration_s"])
    assert available_inputs(replace(bare, events=events)) == {"text", "times"}


def test_everybody_with_content_gets_anothers_and_nobody_else_does():
    has = np.random.default_rng(0).random(50) < 0.6
    donor = donors(has, seed=3)
    with_content = np.flatnonzero(has)
    assert sorted(donor[with_content]) == with_content.tolist()
    assert (donor[with_content] != with_content).all()
    assert (donor[~has] == np.flatnonzero(~has)).all()
    np.testing.assert_array_equal(donor, donors(has, seed=3))
    assert not np.array_equal(donor, donors(has, seed=4))
    assert donors(np.array([False, True, False]), 0).tolist() == [0, 1, 2]  # one alone keeps its content
    assert donors(np.zeros(0, bool), 0).tolist() == []


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=20, photos=3))


@pytest.fixture
def photos(market) -> PhotoVectors:
    return random_photos(market, 8, broken=range(0, 60, 7))


def shown(market: Market, photos: PhotoVectors) -> list[bytes]:
    """The vectors of each listing's photos, in order."""
    owner = market.photos[C.LISTING].map(market.listing_row)
    return [photos.vectors[(owner == row).to_numpy()].tobytes() for row in range(len(market.listings))]


def test_photos_move_together_from_listing_to_listing(market, photos):
    found, moved = CONTROLS["shuffled-photos"](market, photos)
    before, after = shown(market, photos), shown(found, moved)
    assert sorted(before) == sorted(after) and before != after
    owner = found.photos[C.LISTING].map(found.listing_row).to_numpy()
    assert (np.diff(owner) >= 0).all() and moved.ok.sum() == photos.ok.sum()
    again = CONTROLS["shuffled-photos"](market, photos)
    assert shown(*again) == after and shown(market, photos) == before


def test_texts_move_from_listing_to_listing(market):
    found, _ = CONTROLS["shuffled-texts"](market, None)
    before, after = market.listings["title"].tolist(), found.listings["title"].tolist()
    assert sorted(before) == sorted(after) and before != after
    assert found.listings.drop(columns="title").equals(market.listings.drop(columns="title"))


def test_events_trade_action_and_duration_together(market):
    found, _ = CONTROLS["shuffled-event-features"](market, None)
    pairs = [
        events[[C.ACTION, C.DURATION]].astype(str).agg(" ".join, axis=1)
        for events in (market.events, found.events)
    ]
    assert sorted(pairs[0]) == sorted(pairs[1]) and not pairs[0].equals(pairs[1])
    rest = [C.USER, C.LISTING, C.TIMESTAMP]
    assert found.events[rest].equals(market.events[rest])
