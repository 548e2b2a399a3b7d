"""The passport: what is known, how far the rest has moved, and what is to be expected, without a training."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from helpers.small_market import generate
from listing_vibes import passport
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.insight.foretold import Tried, load_tried
from listing_vibes.insight.passport import calibrate, tried_on
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market

ROWS = [
    Tried(market=name, shift=shift, model=model, neighbours=0.3)
    for name, shift, model in (("a", 0.1, 0.24), ("b", 0.2, 0.25), ("c", 0.3, 0.23), ("d", 0.2, 0.26))
]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A market of the same columns but one, whose prices are higher and whose districts nobody knows."""
    folder = tmp_path_factory.mktemp("other") / "market"
    generate(folder, listings=80, users=30, seed=9)
    toml = (folder / "market.toml").read_text().replace("[attributes.rooms]", "[attributes.bedrooms]")
    (folder / "market.toml").write_text(toml.replace("A small simulated market", "Another town"))
    listings = pd.read_parquet(folder / "listings.parquet").rename(columns={"rooms": "bedrooms"})
    listings["price"] *= 1.6
    listings["district"] = "New " + listings["district"].astype(str)
    listings.to_parquet(folder / "listings.parquet", index=False)
    return Market.open(folder)


@pytest.mark.slow
def test_it_says_what_is_known_and_how_far_the_rest_moved(trained, other):
    found = passport(other, trained)
    by_name = {one.name: one for one in found.attributes}
    assert (by_name["bedrooms"].known, by_name["bedrooms"].shift) == (False, None)
    assert by_name["district"].values_known == 0 and by_name["district"].shift > 0.9
    assert by_name["building"].values_known == 1 and by_name["building"].shift < 0.4
    assert by_name["price"].shift > by_name["building"].shift
    assert found.nearest == trained.market.name and found.attributes_known == pytest.approx(11 / 12)
    assert found.expected is None and "tried in too few markets" in found.expectation
    assert 0 < found.neighbours <= 1 and found.queries > 0
    text = found.text()
    assert "knows 11 of your 12 attributes; `bedrooms` is new" in text and "Nearest known market" in text
    own = passport(trained.market, trained, neighbours=0.3)
    assert own.attributes_known == 1 and own.shift < found.shift and own.neighbours == 0.3


@pytest.mark.slow
def test_where_it_was_trained_nothing_is_foretold(trained, other, tmp_path):
    run = copied(trained, tmp_path)
    calibrate(run, ROWS)
    own = passport(trained.market, run, neighbours=0.3)
    assert own.sentence.startswith("was trained on this market and knows all ")
    assert own.expected is None and "was trained on this market" in own.expectation
    renamed = replace(other, config=other.config.model_copy(update={"name": trained.market.name}))
    assert passport(renamed, run, neighbours=0.3).expected is None  # another state of it
    told = passport(other, run, neighbours=0.3).expectation
    assert "as 4 models like it tell, each tried in a market that it was not trained on" in told


@pytest.mark.slow
def test_what_is_missing_is_named(trained, other):
    found = passport(replace(other, events=other.events.head(1)), trained)
    assert found.why_not.startswith("Without a test query to ask")
    assert passport(replace(other, events=other.events.head(0)), trained).why_not.startswith("Without events")


@pytest.mark.slow
def test_a_calibrated_model_foretells_and_goes_on_to_the_runs_made_with_it(trained, other, tmp_path):
    run = copied(trained, tmp_path)
    calibrate(run, ROWS)
    assert load_tried(run.path) == ROWS
    embed_market(other, tmp_path / "there", None, run.path)
    for model in (run, tmp_path / "there"):
        expected = passport(other, model, neighbours=0.2).expected
        assert 0.12 < expected.low < expected.value < expected.high < 0.21 and expected.markets == 4
    with pytest.raises(VibesError, match="does not say how a model did"):
        calibrate(run, [run])
    (run.path / "calibration.json").write_text("[{}]")
    with pytest.raises(VibesError, match=r"calibration.json is damaged"):
        passport(other, run)


def test_who_has_no_model_or_saw_nothing_is_told(bare, trained, other, tmp_path):
    with pytest.raises(VibesError, match="has no trained model"):
        passport(other, bare)
    run = copied(trained, tmp_path / "copy")
    (run.path / "seen.json").unlink()
    toml = (run.path / "run.toml").read_text()
    (run.path / "run.toml").write_text(toml[: toml.index('[files."seen.json"]')])
    found = passport(other, run, ask=False)  # as of a version that kept nothing
    assert found.nearest is None and "does not say what it was trained on" in found.text()
    assert found.expectation == ""


def test_a_model_that_ships_is_named(other):
    found = passport(other, "homes", ask=False)
    assert found.run == "homes" and found.nearest.startswith("Homes in ")
    assert {one.name for one in found.attributes if one.known} >= {"price", "bedrooms", "place"}


@pytest.mark.slow
def test_a_run_that_was_measured_is_a_row_and_the_command_prints_it(trained, other, tmp_path):
    embed_market(other, tmp_path / "there", None, trained.path)
    run = Run.open(tmp_path / "there")
    save_metrics(run, evaluate_run(run))
    row, metrics = tried_on(run), run.metrics["results"]
    assert row.model == metrics["model"]["recall@30"]["value"]
    assert row.neighbours == metrics["attribute neighbors"]["recall@30"]["value"]
    assert row.neighbours == pytest.approx(passport(other, trained).neighbours)
    told = json.loads(vibes("passport", other.path, "--model", trained.path, "--json").stdout)
    assert told["shift"] == pytest.approx(row.shift) and told["expected"] is None
    shutil.rmtree(tmp_path / "there")
    assert "no run folder" in vibes("passport", other.path, "--model", tmp_path / "there", check=2).stderr
