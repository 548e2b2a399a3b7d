"""An empty list says why it is empty, and what to do."""

from typer.testing import CliRunner

from helpers.commands import vibes
from listing_vibes.cli import app
from listing_vibes.market.market import Market
from listing_vibes.run.empty_lists import explain_empty, explain_unmet
from listing_vibes.run.rules import Rules
from listing_vibes.run.spaces import embed_market


def test_the_only_listing_of_a_market_is_told_to_be_that(tmp_path):
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "listings.csv").write_text("listing_id,price,town\na,100,Ulm\n")
    run = tmp_path / "run"
    embed_market(Market.open(tmp_path / "market"), run, None, None)
    assert "No listing found" in vibes("similar", run, "a").stdout
    assert vibes("similar", run, "a", "--json").stdout.strip() == "[]"


def test_nothing_is_said_to_be_added_to_an_empty_list(trained, monkeypatch):
    monkeypatch.setattr(
        "listing_vibes.run.describe.default_blend_sentence", lambda settings: " Lists add what is new."
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
        assert explain_unmet(market, rules) == f"No listing of the market fulfills '{text}'; {mend}."
    assert explain_unmet(market, Rules(where=("brand=Zara", "price>=6"))) is None


def test_rules_and_moments_are_named(trained):
    unmet = explain_empty(trained, Rules(where=("price<=0",)), None, False)
    assert unmet.startswith("No listing found: no listing of the market fulfills 'price<=0'")
    assert "drop_seen" in explain_empty(trained, Rules(), None, True)
    assert "drop_seen" not in explain_empty(trained, Rules(drop_seen=False), None, True)
    assert "--at" in explain_empty(trained, Rules(), "2035-01-01", True)
