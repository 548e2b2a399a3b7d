"""An empty list says why it is empty, and what to do."""

import pytest
from typer.testing import CliRunner

from helpers.commands import vibes
from listing_vibes.cli import app
from listing_vibes.market.market import Market
from listing_vibes.run.nothing import never_met, nothing_found
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


def test_the_only_listing_of_a_market_is_told_to_be_that(tmp_path):
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "listings.csv").write_text("listing_id,price,town\na,100,Ulm\n")
    run = tmp_path / "run"
    embed_market(Market.open(tmp_path / "market"), run, None, None)
    said = vibes("similar", run, "a").stdout
    assert "has one listing" in said and "add listings" in said and "vibes embed" in said
    assert vibes("similar", run, "a", "--json").stdout.strip() == "[]"


def test_a_space_that_only_one_listing_has_is_told(tmp_path):
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "listings.csv").write_text("listing_id,price,town\na,100,Ulm\nb,,\n")
    embed_market(Market.open(tmp_path / "market"), tmp_path / "run", None, None)
    run = Run.open(tmp_path / "run")
    said = nothing_found(run, Rules(), None, False, "attributes")
    assert "no other one has anything in the space 'attributes'" in said


def test_nothing_is_said_to_be_added_to_an_empty_list(trained, monkeypatch):
    monkeypatch.setattr(
        "listing_vibes.run.describe.added_sentence", lambda settings: " Lists add what is new."
    )
    asked = ["recommend", str(trained.path), trained.log.users[0], "--json"]
    assert "Lists add what is new. --blend nothing" in CliRunner().invoke(app, asked).stderr
    empty = CliRunner().invoke(app, [*asked, "--where", "price<=0"])
    assert empty.stdout.strip() == "[]" and empty.stderr == ""


def test_a_value_that_no_listing_has_is_told_with_the_nearest(tmp_path):
    listings = "listing_id,brand,size,tags,price\na,Zara,M / 38,red|blue,5\nb,Gucci,L / 40,red,6\n"
    (tmp_path / "listings.csv").write_text(listings)
    market = Market.open(tmp_path)
    for text, mend in [
        ("brand=Zarra", "'Zara' is nearest"),
        ("size=M/38", "'M / 38' is nearest"),
        ("tags=gren|blu", "'blue' is nearest"),
        ("brand=Prada", "change that condition, or leave it out"),
        ("price>=7", "change that condition, or leave it out"),
    ]:
        rules = Rules(where=("price>=6", text))
        assert never_met(market, rules) == f"No listing of the market fulfils '{text}'; {mend}."
    assert never_met(market, Rules(where=("brand=Zara", "price>=6"))) is None


@pytest.mark.slow
def test_rules_and_moments_are_told(trained):
    listing = trained.listing_ids[0]
    said = vibes("similar", trained.path, listing, "--where", "price<=0").stdout
    assert (
        said
        == "No listing found: no listing of the market fulfils 'price<=0'; change that condition, or leave it out.\n"
    )
    alone = ["--where", f"price<={trained.market.listings['price'].min()}"]
    listing = trained.listing_ids[trained.market.listings["price"].argmin()]
    said = vibes("similar", trained.path, listing, *alone).stdout
    assert said == "No listing found: no other one passes the rules; take one away.\n"
    user = trained.log.users[0]
    bounds = ["--where", "price<=1000", "--where", "price>=1500"]
    said = vibes("recommend", trained.path, user, *bounds).stdout
    assert "kept out by a rule or in the history already" in said and "--keep-seen" in said
    far = vibes("recommend", trained.path, user, "--at", "2035-01-01").stdout
    assert "none is live at that moment" in far and "--at" in far
    assert "--keep-seen" not in nothing_found(trained, Rules(drop_seen=False), None, True)
