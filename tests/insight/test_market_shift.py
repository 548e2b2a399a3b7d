"""What a model knows of a market, and how far the rest has moved, without a training."""

import json

import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from helpers.small_market import generate
from listing_vibes.errors import VibesError
from listing_vibes.insight.market_shift import measure_shift
from listing_vibes.market.market import Market


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A market of the same columns but one, with higher prices and other districts."""
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
    shift = measure_shift(other, trained)
    by_name = {attribute.name: attribute for attribute in shift.attributes}
    assert (by_name["bedrooms"].known, by_name["bedrooms"].shift) == (False, None)
    assert by_name["district"].values_known == 0 and by_name["district"].shift > 0.9
    assert by_name["building"].values_known == 1 and by_name["building"].shift < 0.4
    assert by_name["price"].shift > by_name["building"].shift
    assert shift.nearest == trained.market.name and shift.attributes_known == pytest.approx(11 / 12)
    own = measure_shift(trained.market, trained)
    assert own.attributes_known == 1 and own.shift < shift.shift
    assert own.sentence.startswith("was trained on this market") and own.sentence != shift.sentence
    document = json.loads(vibes("check", other.path, "--model", trained.path, "--json").stdout)
    assert document["model"] == shift.model_copy(update={"run": str(trained.path)}).model_dump(mode="json")
    assert document["listings"] == 80
    assert shift.nearest in vibes("check", other.path, "--model", trained.path).stdout


def test_a_run_without_a_model_is_refused_and_one_without_a_record_has_no_nearest_market(
    bare, trained, other, tmp_path
):
    with pytest.raises(VibesError, match="has no trained model"):
        measure_shift(other, bare)
    assert vibes("check", other.path, "--model", tmp_path / "nowhere", check=2).stderr
    run = copied(trained, tmp_path / "copy")
    (run.path / "seen.json").unlink()
    toml = (run.path / "run.toml").read_text()
    (run.path / "run.toml").write_text(toml[: toml.index('[files."seen.json"]')])
    shift = measure_shift(other, run)
    assert shift.nearest is None and "has no record of its training markets" in shift.to_text()


def test_a_model_that_ships_is_named(other):
    shift = measure_shift(other, "homes")
    assert shift.run == "homes" and shift.nearest.startswith("Homes in ")
    assert {one.name for one in shift.attributes if one.known} >= {"price", "bedrooms", "place"}
