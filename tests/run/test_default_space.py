"""Which space a run compares by where nobody names one, and that all who read it agree."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.commands import vibes
from listing_vibes.market.market import Market
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import default_space


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market())


def spaces(market: Market, *names: str) -> dict[str, np.ndarray]:
    return {name: np.ones((len(market.listings), 2), np.float32) for name in names}


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [(None, "model"), (0.9, "model"), (0.75, "model"), (0.6, "attributes"), (0.0, "attributes")],
)
def test_a_model_compares_where_it_knows_the_market(market, coverage, expected):
    found = default_space(market, spaces(market, "model", "photos", "attributes"), coverage)
    assert found.space == expected
    assert coverage is None or f"{coverage:.0%}" in found.reason


def test_photos_compare_where_there_are_few_attributes_and_most_listings_have_one(market):
    few = replace(market, attributes=market.attributes[:3])
    there = spaces(market, "photos", "attributes")
    assert default_space(few, there).space == "photos"
    assert default_space(market, there).space == "attributes"
    there["photos"][: len(market.listings) // 2 + 1] = 0
    assert default_space(few, there).space == "attributes"
    assert default_space(few, {"photos": there["photos"]}).space == "photos"


@pytest.mark.parametrize(
    ("queries", "weights", "expected"),
    [
        (500, {"model": 0.3, "attributes": 0.6, "recent": 2.0}, "attributes"),
        (500, {"model": 0.6, "attributes": 0.3, "recent": 2.0}, "model"),
        (500, {"attributes": -0.2, "photos": 0.1}, "photos"),
        (20, {"model": 0.3, "attributes": 0.6}, "model"),
    ],
)
def test_the_fitted_blend_decides_with_enough_validation_queries(market, queries, weights, expected):
    blend = BlendWeights(weights=weights, scales=dict.fromkeys(weights, 1.0), queries=queries)
    there = spaces(market, "model", "photos", "attributes")
    assert default_space(market, there, 0.9, blend).space == expected
    assert default_space(market, there, None, blend).space == "model"


def test_command_python_and_pages_compare_by_the_same_space(tiny_market, tmp_path):
    folder = tiny_market(listings=20, photos=0)
    done = vibes("embed", folder, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    default = run.manifest.default_space
    assert default.space == "attributes" == run.spaces[0] and default.reason in done.stderr
    assert run.similar("l001", k=3).equals(run.similar("l001", k=3, space="attributes"))
    shown = vibes("similar", tmp_path / "run", "l001", "-k", "3", "--json")
    assert json.loads(shown.stdout)[0]["score"] == run.similar("l001", k=1)["score"][0]
    assert default.reason in shown.stderr
    assert default.reason not in vibes("similar", tmp_path / "run", "l001", "--space", "attributes").stderr
