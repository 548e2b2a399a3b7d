"""Probes find a number that is in a space, and none where there is none."""

from types import SimpleNamespace

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.insight.probes import attributes_without, probe, probe_run
from listing_vibes.market.market import Market

N = 200


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_number_that_is_in_the_space_is_predicted_and_another_one_is_not(rng):
    vectors = rng.normal(size=(N, 8))
    price = np.exp(2 * vectors[:, 0] + 6 + rng.normal(0, 0.2, N))
    row = probe(
        "model", vectors, price
    )  # it spans more than a factor of ten, so that its logarithm is predicted
    assert 0.95 < row["low"] < row["value"] < row["high"] < 1 and row["listings"] == N
    assert probe("model", rng.normal(size=(N, 8)), price)["value"] < 0.05


def test_listings_without_the_number_or_a_vector_are_left_out(rng):
    vectors, values = rng.normal(size=(N, 3)), rng.normal(size=N)
    vectors[:10], values[5:30] = 0, np.nan
    assert probe("model", vectors, values)["listings"] == N - 30
    for rows, numbers in ((slice(30, 35), values), (slice(None), np.ones(N))):
        with pytest.raises(VibesError, match="a probe needs"):
            probe("model", vectors[rows], numbers[rows])


@pytest.mark.slow
def test_every_space_is_probed_beside_the_other_attributes(tiny_market, rng):
    """The room type decides the price, and the space of the model knows nothing of it."""
    market = Market.open(tiny_market(listings=150, photos=0, events_per_user=0))
    prices = {"Entire home": 300.0, "Private room": 60.0, "Shared room": 9.0}
    market.listings["price"] = market.listings["room_type"].map(prices) * np.exp(rng.normal(0, 0.1, 150))
    vectors = rng.normal(size=(150, 4))
    run = SimpleNamespace(
        market=market,
        listing_ids=market.listings["listing_id"].tolist(),
        spaces=["model", "attributes"],
        vectors=lambda name: vectors,
    )
    value = probe_run(run, "price").set_index("space")["value"]
    assert value["attributes"] > 0.7 and value["model"] < 0.1
    with pytest.raises(VibesError, match="'room_type' is not a numeric attribute"):
        probe_run(run, "room_type")
    before = attributes_without(market, "price")
    market.listings["price"] = market.listings["price"].to_numpy()[::-1]
    assert np.array_equal(before, attributes_without(market, "price"))
    assert not np.array_equal(before, attributes_without(market, "pets"))
