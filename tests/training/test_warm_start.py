"""A training that begins from a trained run: what is known keeps its weights, what is new starts around the mean of its kind."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from listing_vibes import train
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.model.checkpoint import build_model
from listing_vibes.model.settings import Settings, TrainingConfig
from listing_vibes.progress import Notice
from listing_vibes.run.manifest import Manifest
from listing_vibes.training.warm_start import (
    SHORT,
    SHORTER,
    WarmStart,
    places,
    table_rows,
    transfer_weights,
)


@pytest.fixture
def next_market(trained, tmp_path) -> Market:
    """Rooms are called bedrooms, districts quarters, and a building has a type that nobody saw before."""
    path: Path = tmp_path / "next"
    shutil.copytree(trained.market.path, path)
    toml, names = (path / "market.toml").read_text(), {"rooms": "bedrooms", "district": "quarter"}
    for old, new in names.items():
        toml = toml.replace(f"[attributes.{old}]", f"[attributes.{new}]")
    (path / "market.toml").write_text(toml)
    listings = pd.read_parquet(path / "listings.parquet").rename(columns=names)
    listings.loc[:5, "building"] = "houseboat"
    listings.to_parquet(path / "listings.parquet", index=False)
    return Market.open(path)


def test_what_is_known_keeps_its_weights_and_new_rows_start_among_them(trained, next_market):
    start, rows = WarmStart.load(trained.path), np.arange(len(next_market.listings))
    before = start.featurizer.vocabulary
    now = start.featurizer.extend(next_market, rows, np.empty(0), None).vocabulary
    assert [one.name for one in now.attributes[: len(before.attributes)]] == [
        one.name for one in before.attributes
    ]
    assert now.attribute("building").values == [*before.attribute("building").values, "houseboat"]
    assert now.attribute("price").edges == before.attribute("price").edges
    torch.manual_seed(5)
    model = build_model(now, start.manifest.settings)
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    transfer_weights(model, start.weights, before, now)
    state, old, new = model.state_dict(), table_rows(before), table_rows(now)
    for table in ("embedder.key.weight", "embedder.value.weight"):
        place = places(old[table], new[table])
        known = np.flatnonzero(place >= 0)
        kept = state[table][place[known]]
        assert torch.equal(kept, start.weights[table][known]) and len(known) > 5
    houseboat = places([("value", "building", "houseboat")], new[table])[0]
    assert not torch.equal(state[table][houseboat], fresh[table][houseboat])
    trained_rows = start.weights[table][
        [row for row, what in enumerate(old[table]) if what[:1] == ("value",)]
    ]
    length, usual = (
        float((rows - trained_rows.mean(0)).norm(dim=-1).mean())
        for rows in (state[table][houseboat], trained_rows)
    )
    assert length == pytest.approx(usual, rel=0.5)
    for name in ("longformer.layers.0.attention.query.weight", "user_pass.item_position.weight"):
        assert torch.equal(state[name], start.weights[name])


def test_settings_are_what_the_user_said_for_the_run_but_shorter_and_once_only(trained):
    start, said = WarmStart.load(trained.path), trained.manifest.settings.given
    found = start.settings(Settings.of(seed=4, training={"learning_rate": 2e-4}), trained.market)
    assert (found.seed, found.training.learning_rate, found.encoder) == (4, 2e-4, said.encoder)
    training = found.training
    assert (training.batch, training.max_epochs, training.warmup) == (said.training.batch, 1, SHORT["warmup"])
    assert "max_steps" not in training.model_fields_set and training.late_interaction == "auto"
    given = said.model_copy(update={"training": TrainingConfig(max_steps=33, bf16=True)})
    settings = trained.manifest.settings.model_copy(update={"given": given})
    start = replace(start, manifest=start.manifest.model_copy(update={"settings": settings}))
    found = start.settings(Settings(), trained.market).training
    assert (found.max_steps, found.bf16) == (math.ceil(33 / SHORTER), None)
    found = start.settings(Settings.of(training={"batch": 77, "max_steps": 9}), trained.market).training
    assert (found.batch, found.max_steps) == (77, 9)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"preset": "small"}, "preset"),
        ({"history": "cls"}, "history"),
        ({"encoder": {"width": 64}}, "encoder.width"),
        ({"training": {"max_listings": 80}}, "training.max_listings"),
        ({"features": {"text_encoder": "tfidf"}}, "features.text_encoder"),
        ({"training": {"recipe": "two-stage"}}, "two-stage"),
    ],
)
def test_a_model_of_another_shape_is_refused(trained, given, named):
    with pytest.raises(VibesError, match=named):
        WarmStart.load(trained.path).settings(Settings.of(given), trained.market)


def test_a_run_that_none_can_go_on_from_is_named(trained, tmp_path):
    shutil.copytree(trained.path, tmp_path / "run")
    change = {"photo_encoder": "tf_efficientnet_lite0-tail1-288-0123abcd"}
    Manifest.load(tmp_path / "run").model_copy(update=change).save(tmp_path / "run")
    for path, named in ((tmp_path / "run", "stages"), (tmp_path, "not a run folder")):
        with pytest.raises(VibesError, match=named):
            WarmStart.load(path)


@pytest.mark.slow
def test_it_says_what_it_knows_and_a_refit_begins_from_the_same(trained, next_market, tmp_path):
    updates: list[object] = []
    run = train(next_market, tmp_path / "run", start=trained, progress=updates.append)
    report = run.manifest.carried
    assert (report.new, report.gone) == (["quarter", "bedrooms"], ["district", "rooms"]) and len(
        report.known
    ) == 10
    assert any(isinstance(one, Notice) and report.sentence in one.text for one in updates)
    lines = [json.loads(line) for line in (run.path / "train.jsonl").read_text().splitlines()]
    assert lines[0] == {"step": 0, "carried": report.sentence} and "validation recall@30" in lines[1]
    assert run.manifest.started and not run.transferred and len(run.recommend(run.log.users[0], 5)) == 5
    again = train(next_market, tmp_path / "again", start=run, training={"max_steps": 2})
    assert again.manifest.carried.known == [one.name for one in next_market.attributes]
    assert again.manifest.settings.training.max_epochs == run.manifest.settings.training.max_epochs
    if run.manifest.steps:
        final = train(next_market, tmp_path / "final", refit=run, everything=True)
        assert final.manifest.carried == report
    with pytest.raises(VibesError, match="leave out --init-from"):
        train(next_market, tmp_path / "other", refit=run, start=again)


def test_a_column_of_another_type_and_a_market_without_a_known_one_are_refused(trained):
    frame, start = trained.market.listings, WarmStart.load(trained.path)
    for listings in (
        frame[[C.LISTING, "price"]].assign(price="dear"),
        frame[[C.LISTING, "price"]].rename(columns={"price": "cost"}),
    ):
        with pytest.raises(VibesError, match=r"price|cost"):
            start.transfer(Market.from_frames(listings))


def test_numbers_that_lie_beyond_all_that_is_known_are_divided_again(trained):
    frame = trained.market.listings.copy()
    frame["price"] = frame["price"] * 100
    market = Market.from_frames(frame, config=trained.market.config)
    start = WarmStart.load(trained.path)
    assert start.transfer(market).beyond["price"] == 1
    found, known = (
        start.featurizer.extend(market, np.arange(len(frame)), np.empty(0), None),
        start.featurizer,
    )
    price = [one.vocabulary.attribute("price").edges[-1] for one in (found, known)]
    assert price[0] > 50 * price[1]
    assert found.vocabulary.attribute("area_m2").edges == known.vocabulary.attribute("area_m2").edges
