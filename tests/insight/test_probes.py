"""Probes find what is there, find nothing where there is nothing, and never see a listing twice."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.insight.probes import PREDICTIONS, TABLE, attributes_without, probe, probe_run
from listing_vibes.market.market import Market

N = 200


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def ids(count: int = N) -> np.ndarray:
    return np.array([f"l{row}" for row in range(count)])


def test_a_number_that_lies_in_the_space_is_found_and_one_that_does_not_is_not(rng):
    vectors = rng.normal(size=(N, 8))
    price = np.exp(2 * vectors[:, 0] + 6 + rng.normal(0, 0.2, N))
    found = probe("model", "price", vectors, price, ids())
    row = found.table.iloc[0]
    assert tuple(found.table.columns) == TABLE and tuple(found.predictions.columns) == PREDICTIONS
    assert (row["metric"], row["kind"], row["chance"], row["listings"]) == ("r2", "number", 0.0, N)
    assert 0.95 < row["low"] < row["value"] < row["high"] < 1
    truth, predicted = found.predictions["truth"], found.predictions["predicted"]
    assert truth.to_numpy() == pytest.approx(np.log(price))  # it spans more than a factor of ten
    by_hand = 1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    assert row["value"] == pytest.approx(by_hand)
    nothing = probe("model", "price", rng.normal(size=(N, 8)), price, ids()).table.iloc[0]
    assert nothing["value"] < 0.05


def test_classes_are_compared_with_the_commonest_one(rng):
    vibe = rng.choice(["cosy", "cool", "plain"], N, p=[0.6, 0.2, 0.2])
    vectors = rng.normal(size=(N, 6)) + 4 * np.stack([vibe == "cosy", *[vibe == "cool"] * 5], axis=1)
    found = probe("photos", "vibe", vectors, vibe, ids())
    row = found.table.iloc[0]
    assert row["metric"] == "accuracy" and row["chance"] == pytest.approx((vibe == "cosy").mean())
    assert row["low"] <= row["value"] <= row["high"] and row["value"] > row["chance"] + 0.2
    assert row["value"] == pytest.approx(
        (found.predictions["truth"] == found.predictions["predicted"]).mean()
    )
    blind = probe("photos", "vibe", rng.normal(size=(N, 6)), vibe, ids()).table.iloc[0]
    assert abs(blind["value"] - blind["chance"]) < 0.08


def test_rows_of_one_listing_are_never_on_both_sides(rng):
    """Each listing has an answer of its own that its photos show: only a leak could foretell it."""
    listing = np.repeat(ids(60), 5)
    direction = rng.normal(size=(60, 40))
    answer = rng.normal(size=60)
    vectors = np.repeat(direction, 5, axis=0) + 0.01 * rng.normal(size=(300, 40))
    row = probe("photos", "secret", vectors, np.repeat(answer, 5), listing).table.iloc[0]
    assert row["value"] < 0.2 and (row["rows"], row["listings"]) == (300, 60)


def test_rows_without_an_answer_or_a_vector_are_left_out(rng):
    vectors, values = rng.normal(size=(N, 3)), pd.Series(rng.normal(size=N))
    vectors[:10], values[5:30] = 0, np.nan
    found = probe("model", "area", vectors, values, ids())
    assert found.table["rows"].item() == N - 30 and not set(found.predictions["listing_id"]) & set(ids()[:30])
    with pytest.raises(VibesError, match="Only 5 listings of the space 'model' have an answer to 'area'"):
        probe("model", "area", vectors[30:35], values[30:35], ids()[30:35])
    with pytest.raises(VibesError, match="1 different"):
        probe("model", "area", vectors, np.ones(N), ids())


def test_a_seed_decides_the_folds(rng):
    vectors, values = rng.normal(size=(N, 3)), rng.normal(size=N)
    one, again, other = (probe("m", "q", vectors, values, ids(), seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one.predictions, again.predictions)
    assert not one.predictions["predicted"].equals(other.predictions["predicted"])


@pytest.fixture
def run(tiny_market, rng):
    """A run over a market in which the room type decides the price, and a space that knows a hidden vibe."""
    market = Market.open(tiny_market(listings=150, photos=0, events_per_user=0))
    rooms = market.listings["room_type"]
    market.listings["price"] = rooms.map({"Entire home": 300.0, "Private room": 60.0, "Shared room": 9.0})
    market.listings["price"] *= np.exp(rng.normal(0, 0.1, 150))
    vibe = rng.choice(["cosy", "cool"], 150)
    vectors = np.stack([np.where(vibe == "cosy", 1.0, -1.0), *rng.normal(size=(3, 150))], axis=1)
    return SimpleNamespace(
        market=market,
        listing_ids=market.listings["listing_id"].tolist(),
        spaces=["model", "attributes"],
        vectors=lambda name: vectors,
    ), pd.DataFrame({"listing_id": market.listings["listing_id"], "vibe": vibe})


@pytest.mark.slow
def test_every_space_is_asked_beside_the_attributes_alone(run):
    opened, truth = run
    found = probe_run(opened, truth=truth)
    table = found.table.set_index(["question", "space"])
    assert set(table.index) == {(q, s) for q in ("price", "vibe") for s in ("model", "attributes")}
    assert table.loc[("price", "attributes"), "value"] > 0.7  # by the room type
    assert table.loc[("price", "model"), "value"] < 0.1
    assert table.loc[("vibe", "model"), "value"] == 1.0
    assert abs(table.loc[("vibe", "attributes"), "value"] - 0.5) < 0.15
    assert len(found.predictions) == 600
    asked = probe_run(opened, ["room_type"]).table.set_index("space")
    assert asked.loc["attributes", "value"] > 0.8  # by the price and the title
    with pytest.raises(VibesError, match="'title' is no number, category or flag"):
        probe_run(opened, ["title"])
    with pytest.raises(VibesError, match="needs 'listing_id'"):
        probe_run(opened, truth=truth.drop(columns="listing_id"))


@pytest.mark.slow
def test_the_answer_is_not_among_the_attributes(run):
    opened, _ = run
    market = opened.market
    before = attributes_without(market, "price")
    market.listings["price"] = market.listings["price"].to_numpy()[::-1]
    assert np.array_equal(before, attributes_without(market, "price"))
    assert not np.array_equal(before, attributes_without(market, "pets"))
