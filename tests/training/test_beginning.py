"""A training that begins from a trained run: what is known keeps its weights, what is new starts near what is like it."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import listing_vibes.training.decided as decided_module
from listing_vibes import train
from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.rows import Rows, places
from listing_vibes.features.tokens.tabular import attribute_keys
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.splits import make_split
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.progress import Notice
from listing_vibes.run.fits import count_repeated
from listing_vibes.run.manifest import Manifest
from listing_vibes.training.beginning import SHORTER, Beginning
from listing_vibes.training.decided import LARGE_STEPS, LEAST_STEPS, SIZES, VALUE_RATE, decided
from listing_vibes.training.start_rows import start_from_weights


def renamed(market: Path, **names: str) -> Market:
    """The market with other names of columns, and none of its old vectors."""
    toml = (market / "market.toml").read_text()
    for old, new in names.items():
        toml = toml.replace(f"[attributes.{old}]", f"[attributes.{new}]")
    (market / "market.toml").write_text(toml)
    listings = pd.read_parquet(market / "listings.parquet").rename(columns=names)
    listings.to_parquet(market / "listings.parquet", index=False)
    return Market.open(market)


@pytest.fixture
def next_market(trained, tmp_path) -> Market:
    """Rooms are called bedrooms, districts quarters, and a building has a kind that nobody saw before."""
    shutil.copytree(trained.market.path, tmp_path / "next")
    market = renamed(tmp_path / "next", rooms="bedrooms", district="quarter")
    listings = market.listings.copy()
    listings.loc[:5, "building"] = "houseboat"
    listings.to_parquet(market.path / "listings.parquet", index=False)
    return Market.open(market.path)


def told(names):
    """Sentence vectors for a test: the bedrooms are rooms, nothing else is like anything."""
    rng = np.random.default_rng(0)
    known = {name: rng.standard_normal(384) for name in sorted({*names, "rooms"})}
    known["bedrooms"] = known["rooms"]
    return np.array([known[name] / np.linalg.norm(known[name]) for name in names], np.float32)


def test_what_is_known_keeps_its_weights_and_bedrooms_start_as_rooms(trained, next_market):
    begun = Beginning.of(trained.path)
    rows = np.arange(len(next_market.listings))
    featurizer = begun.featurizer.extended(next_market, rows, np.empty(0), None)
    before, now = begun.featurizer.vocabulary, featurizer.vocabulary
    assert [one.name for one in now.attributes[: len(before.attributes)]] == [
        one.name for one in before.attributes
    ]
    assert now.attribute("building").values == [*before.attribute("building").values, "houseboat"]
    assert now.attribute("price").edges == before.attribute("price").edges
    torch.manual_seed(5)
    model = ListingModel.of(now, begun.manifest.settings)
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start_from_weights(model, begun.weights, before, now, told)
    state, old, new = model.state_dict(), Rows.of(before), Rows.of(now)
    for name, was, wanted in (("value", old.value, new.value), ("key", old.key, new.key)):
        place = places(was, wanted)
        known = np.flatnonzero(place >= 0)
        assert len(known) > len(before.attributes)
        kept = state[f"embedder.{name}.weight"][place[known]]
        assert torch.equal(kept, begun.weights[f"embedder.{name}.weight"][known])
    bins = places([("bin", "bedrooms", "0"), ("bin", "rooms", "0")], new.value)
    value = state["embedder.value.weight"]
    torch.testing.assert_close(value[bins[0]], value[bins[1]], atol=0.05, rtol=0)
    assert not torch.allclose(value[bins[0]], fresh["embedder.value.weight"][bins[0]], atol=0.05)
    slope = places([("bin", "bedrooms", "1"), ("bin", "rooms", "1")], new.bin)
    torch.testing.assert_close(*state["embedder.slope"][slope], atol=0.05, rtol=0)
    houseboat = places([("value", "building", "houseboat")], new.value)[0]
    assert not torch.equal(value[houseboat], fresh["embedder.value.weight"][houseboat])
    keys = attribute_keys(now)
    assert keys["bedrooms"] not in attribute_keys(before).values()
    for name in ("longformer.layers.0.attention.query.weight", "user_pass.item_position.weight"):
        assert torch.equal(state[name], begun.weights[name])


def test_settings_are_those_of_the_run_but_shorter_and_once_only(trained):
    begun, own = Beginning.of(trained.path), trained.manifest.settings
    found = begun.settings(Resolved.of(seed=4, training={"learning_rate": 2e-4}), trained.market)
    assert (found.seed, found.training.learning_rate, found.encoder) == (4, 2e-4, own.encoder)
    given = Resolved.of(own, training={"max_steps": 33})
    begun = replace(begun, manifest=begun.manifest.model_copy(update={"settings": given}))
    assert begun.settings(Resolved(), trained.market).training.max_steps == math.ceil(33 / SHORTER)
    assert found.split.t1 is None and found.training.bf16 is None


USUAL = ResolvedTraining()
LARGE = LARGE_STEPS | {"max_steps": 600, "value_rate": VALUE_RATE}
SMALL = {name: getattr(USUAL, name) for name in LARGE} | {"value_rate": 1.0}


@pytest.mark.parametrize("begun_large", [False, True])
@pytest.mark.parametrize("now_large", [False, True])
@pytest.mark.parametrize("started", [False, True])
def test_what_a_market_decides_by_its_size_the_new_one_decides_anew(
    trained, random_log, always_live, monkeypatch, begun_large, now_large, started
):
    own = (LARGE if begun_large else SMALL) | ({"warmup": 10, "validations": 8} if started else {})
    if started:
        own["max_steps"] = math.ceil(own["max_steps"] / SHORTER)
    begun = _of(trained, own, started)
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    split = make_split(log, always_live(log))
    if now_large:
        events = count_repeated(np.bincount(log.user[split.train]))
        monkeypatch.setattr(decided_module, "LARGE_EVENTS", events)
    found = decided(begun.settings(Resolved(), trained.market), log, split, shorter=SHORTER)
    expected = LARGE_STEPS if now_large else SMALL
    assert {name: getattr(found, name) for name in SIZES} == {name: expected[name] for name in SIZES}
    assert found.value_rate == (VALUE_RATE if now_large else 1.0)
    assert found.max_steps == math.ceil((LEAST_STEPS if now_large else USUAL.max_steps) / SHORTER)
    assert (found.warmup, found.validations) == (10, 8)
    by_hand = begun.settings(Resolved.of(training={"batch": 77, "max_steps": 9}), trained.market)
    found = decided(by_hand, log, split, shorter=SHORTER)
    assert (found.batch, found.max_steps, found.fresh) == (77, 9, expected["fresh"])


def test_what_was_given_to_the_run_by_hand_stays(trained, random_log, always_live):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    split = make_split(log, always_live(log))
    own = LARGE | {"batch": 64, "value_rate": 3.0, "max_steps": 40}
    found = decided(_of(trained, own).settings(Resolved(), trained.market), log, split, shorter=SHORTER)
    assert (found.batch, found.value_rate, found.max_steps) == (64, 3.0, 8)
    own = SMALL | {"bank_size": LARGE_STEPS["bank_size"], "max_steps": 300}
    found = decided(_of(trained, own).settings(Resolved(), trained.market), log, split, shorter=SHORTER)
    assert (found.bank_size, found.max_steps, found.batch) == (4096, 60, USUAL.batch)


@pytest.mark.parametrize(
    ("by_hand", "weighs"),
    [
        ({}, (True, True)),
        ({"neighbours_served": 0.0}, (True, False)),
        ({"recency_days": 0}, (False, False)),
        ({"recency_days": 20}, (False, False)),
        ({"recency_served": False}, (False, False)),
    ],
)
def test_what_lists_add_is_weighed_anew_unless_it_is_given_by_hand(
    trained, random_log, always_live, monkeypatch, by_hand, weighs
):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    split = make_split(log, always_live(log))
    monkeypatch.setattr(decided_module, "LITTLE", 0)
    own = {
        "recency_days": 0, "recency_served": True, "recency_fit": (30, 0.2),
        "neighbours_served": 0.45, "neighbours_weighed": True,
    }  # fmt: skip
    begun = _of(trained, own)
    found = decided(begun.settings(Resolved.of(training=by_hand), trained.market), log, split)
    left_open = found.recency_fit is not None and not found.recent_days
    assert (left_open, left_open and found.neighbours_weighed) == weighs
    if by_hand:  # what goes with it is not what was weighed beside another
        nothing = decided(Resolved.of(training=by_hand), log, split)
        assert found.of_recency == nothing.of_recency
    else:
        assert found.of_recency == ResolvedTraining(**own).of_recency


def test_a_model_of_several_markets_that_adds_by_fixed_weights_adds_as_much_as_is_given(trained):
    own = {"recency_days": 0, "recency_served": True, "neighbours_served": 0.5}
    given = Resolved.of(training={"neighbours_served": 0.3})
    found = _of(trained, own).settings(given, trained.market).training
    assert (found.recency_served, found.neighbours_served) == (True, 0.3)


def _of(trained, own, started=False) -> Beginning:
    """What begins from a run of that training, `started` itself from another one."""
    begun = Beginning.of(trained.path)
    training = begun.manifest.settings.training.model_copy(update=own)
    settings = begun.manifest.settings.model_copy(update={"training": training})
    manifest = begun.manifest.model_copy(update={"settings": settings})
    return replace(begun, manifest=Started.model_validate(dict(manifest)) if started else manifest)


class Started(Manifest):
    """Of a training that began from another run."""

    @property
    def started(self) -> bool:
        return True


def test_what_is_unwanted_is_learned_once_there_is_enough_of_it(trained, random_log, always_live, make_log):
    begun = Beginning.of(trained.path)
    assert not begun.manifest.settings.training.unwanted_learned  # nobody said "not this" then
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    early = np.flatnonzero(log.time < np.quantile(log.time, 0.5))
    for hides, given, learned in (
        (early[:130], {}, True),
        (early[:90], {}, False),
        (early[:130], {"unwanted_learned": False}, False),
        (early[:0], {"unwanted_learned": True}, True),
    ):
        some = make_log(log.user, log.listing, log.time, log.listings, 60, hides=hides)
        settings = begun.settings(Resolved.of(training=given), trained.market)
        assert decided(settings, some, make_split(some, always_live(some))).unwanted_learned == learned


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"preset": "small"}, "of which preset is 'tiny', not 'small'"),
        ({"history": "cls"}, "of which history is 'listing-vectors', not 'cls'"),
        ({"encoder": {"width": 64}}, "of which encoder.width is 32, not 64"),
        ({"training": {"max_listings": 80}}, "of which training.max_listings is 50, not 80"),
        ({"features": {"text_views": ["tfidf"]}}, "of which features.text_views is"),
        ({"training": {"recipe": "two-stage"}}, "two-stage"),
    ],
)
def test_a_model_of_another_shape_is_refused(trained, given, says):
    with pytest.raises(VibesError, match=says):
        Beginning.of(trained.path).settings(Resolved.of(given), trained.market)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 7}, "has format 7"),
        ({"photo_encoder": "tf_efficientnet_lite0-tail1-288-0123abcd"}, "stages"),
    ],
)
def test_a_run_that_none_can_go_on_from_is_named(trained, tmp_path, change, says):
    shutil.copytree(trained.path, tmp_path / "run")
    Manifest.load(tmp_path / "run").model_copy(update=change).save(tmp_path / "run")
    with pytest.raises(VibesError, match=says):
        Beginning.of(tmp_path / "run")
    with pytest.raises(VibesError, match="no run folder"):
        Beginning.of(tmp_path)


@pytest.mark.slow
def test_it_says_what_it_knows_and_a_refit_begins_from_the_same(trained, next_market, tmp_path):
    heard: list[object] = []
    run = train(next_market, tmp_path / "run", start=trained, progress=heard.append)
    sentence = "knows 10 of your 12 attributes; `quarter`, `bedrooms` are new; `district`, `rooms`, which it knows, are not there"
    assert any(isinstance(one, Notice) and sentence in one.text for one in heard)
    lines = [json.loads(line) for line in (run.path / "train.jsonl").read_text().splitlines()]
    assert lines[0] == {"step": 0, "carried": sentence} and "validation recall@30" in lines[1]
    assert run.manifest.started and run.manifest.carried.sentence == sentence and not run.transferred
    assert len(run.recommend(run.log.users[0], 5)) == 5
    again = train(next_market, tmp_path / "again", start=run, training={"max_steps": 2})
    assert again.manifest.carried.known == [one.name for one in next_market.attributes]
    assert again.manifest.settings.training.max_epochs == run.manifest.settings.training.max_epochs
    if run.manifest.steps:
        final = train(next_market, tmp_path / "final", refit=run, everything=True)
        assert final.manifest.carried == run.manifest.carried
    with pytest.raises(VibesError, match=r"began from .*; leave out --init-from"):
        train(next_market, tmp_path / "other", refit=run, start=again)


def test_a_column_of_another_kind_and_a_market_without_a_known_one_are_refused(trained, tmp_path):
    frame = trained.market.listings
    market = Market.from_frames(frame[[C.LISTING, "price"]].assign(price="dear"))
    with pytest.raises(VibesError, match=r"'price' is of the kind category in .* kind number in the model"):
        Beginning.of(trained.path).carried(market)
    market = Market.from_frames(frame[[C.LISTING, "price"]].rename(columns={"price": "cost"}))
    with pytest.raises(VibesError, match=r"knows none of the attributes .*`cost`"):
        Beginning.of(trained.path).carried(market)


def test_numbers_that_lie_beyond_all_that_is_known_are_divided_anew(trained):
    frame = trained.market.listings.copy()
    frame["price"] = frame["price"] * 100
    market = Market.from_frames(frame, config=trained.market.config)
    begun = Beginning.of(trained.path)
    assert (
        "100% of the values of `price` lie beyond those it knows, so that" in begun.carried(market).sentence
    )
    found = begun.featurizer.extended(market, np.arange(len(frame)), np.empty(0), None).vocabulary
    assert found.attribute("price").edges[-1] > 50 * begun.featurizer.vocabulary.attribute("price").edges[-1]
    assert found.attribute("area_m2").edges == begun.featurizer.vocabulary.attribute("area_m2").edges
