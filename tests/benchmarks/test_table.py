"""The command that measures the table of speed: what is measured is kept, what fails is named, the page gets the table."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.benchmarks import __main__ as command
from tests.benchmarks.random_markets import Recipe, simulate, simulate_demo
from tests.benchmarks.simulated_markets import difference_by_halves, regret_of, table

from listing_vibes.market.market import Market
from listing_vibes.scoring.metrics import METRIC, METRICS

CONDITIONS = {
    "machine": "a machine",
    "cores": 2,
    "day": "2026-11-30",
    "commit": "abc",
    "load": 0.5,
    "took": 1.0,
}


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
    return command.main()


def test_an_interrupted_command_goes_on_and_the_page_gets_the_table(monkeypatch, tmp_path, capsys):
    measured = []

    def measure(name, folder, quick):
        measured.append(name)
        if name == "maps":
            return CONDITIONS | {"failed": ["no room"]}
        row = {"action": f"what {name} does", "rates": [1234.0], "note": "recall@30 0.9990"}
        return CONDITIONS | {"rows": [row]}

    monkeypatch.setattr(command, "measure", measure)
    row = {"action": "an answer", "seconds": [1.2, 0.8, 1.0], "peak GiB": 0.25}
    (tmp_path / "demo.json").write_text(json.dumps(CONDITIONS | {"rows": [row]}))
    page = tmp_path / "page.md"
    page.write_text(f"# Speed\n\n{command.BEGIN}\nold\n{command.END}\n\nmore\n")
    assert run(monkeypatch, tmp_path, "--only", "demo", "maps", "batch", "--page", page) == 1
    assert measured == ["maps", "batch"]  # "demo" has a result
    assert "maps failed: no room" in capsys.readouterr().err
    text = page.read_text()
    assert text.startswith("# Speed") and text.endswith("\n\nmore\n") and "old" not in text
    assert "| an answer | 1 s | 0.8 to 1.2 | 0.2 GiB |  |" in text
    assert "| what batch does | 1,234 | once |  | recall@30 0.9990 |" in text
    measured.clear()
    assert run(monkeypatch, tmp_path, "--only", "demo", "batch") == 0 and not measured


@pytest.mark.slow
def test_a_quick_measure_of_the_made_up_market(monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, "--quick", "--only", "evaluation") == 0
    assert "exact ranks of" in (tmp_path / "table.md").read_text()


def small(seed: int, **changes) -> Recipe:
    return replace(Recipe.draw(seed), **{"listings": 40, "users": 30, "events": 200} | changes)


def test_a_market_has_the_attributes_and_dates_of_its_recipe(tmp_path):
    columns = ("room_type", "price", "amenities", "place", "name", "instant_bookable")
    recipe = small(1, columns=columns, timed=True, dated=True, late=0.5, returns=False)
    simulate(tmp_path / "a", recipe)
    simulate(tmp_path / "b", recipe)
    market, twin = Market.open(tmp_path / "a"), Market.open(tmp_path / "b")
    assert {item.name for item in market.attributes} == {*columns}
    pd.testing.assert_frame_equal(market.events, twin.events)
    assert not market.events.duplicated(["user_id", "listing_id"]).any()
    dated = market.events.merge(market.listings[["listing_id", "published_at"]], on="listing_id")
    assert (dated["published_at"] <= dated["timestamp"]).all()


def test_users_without_a_taste_choose_by_chance_and_those_with_one_their_own_listings(tmp_path):
    spread = {}
    for taste in (0.0, 20.0):
        recipe = small(
            2, columns=("price",), worth={"price": 1.0}, taste=taste, hidden=0.0, other=0.0, charm=0.0
        )
        simulate(tmp_path / str(taste), replace(recipe, timed=False, popular=0.0, fresh=0.0, returns=True))
        market = Market.open(tmp_path / str(taste))
        assert "timestamp" not in market.events
        prices = market.events.merge(market.listings, on="listing_id")
        spread[taste] = np.log(prices["price"]).groupby(prices["user_id"]).std().mean()
    assert spread[20.0] < 0.5 * spread[0.0]


def test_a_market_by_the_generator_of_the_demo_has_no_photos(tmp_path):
    simulate_demo(tmp_path, 3)
    market = Market.open(tmp_path)
    assert len(market.events) and not len(market.photos)
    assert "deal" in {item.name for item in market.attributes}


def test_the_regret_is_to_the_best_row_without_ids():
    values = {"default ranking": 0.30, "model only": 0.32, "model + ids": 0.5, "EASE": 0.4, "popularity": 0.1}
    evaluation = SimpleNamespace(
        results={name: {METRIC: {"value": value}} for name, value in values.items()},
        differences={"default ranking - model only": {METRIC: {"value": -0.02, "low": -0.05, "high": 0.01}}},
        user_values=lambda name: np.full((4, len(METRICS)), values[name]),
    )
    line = regret_of(evaluation)
    assert (line["best"], line["regret"]) == ("model only", 0.02)
    assert (line["low"], line["high"]) == (-0.01, 0.05)
    assert line["by halves"] == pytest.approx(0.02)
    sizes = dict.fromkeys(("listings", "events", "valid", "test"), 1)
    assert "mean regret 0.0200, largest 0.0200, 0 beyond" in table(
        [line | sizes | {"market": 0, "generator": "demo"}]
    )


def test_a_row_that_is_best_by_chance_is_not_better_by_halves():
    noise = np.random.default_rng(0).normal(size=(400, 20))
    chosen_on_all = (noise.mean(axis=0)[1:] - noise[:, 0].mean()).max()
    assert difference_by_halves(noise) < 0.5 * chosen_on_all
    assert difference_by_halves(noise + (np.arange(20) == 7)) > 0.9
