"""Conditions on listings: parsed, refused, fulfilled alike everywhere, and explained if no listing fulfills them."""

import numpy as np
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.conditions import great_circle, read_condition
from listing_vibes.run.describe import explain_empty
from listing_vibes.run.newcomers import new_listings
from listing_vibes.run.rules import Rules
from listing_vibes.run.spaces import embed_market


@pytest.mark.parametrize(
    ("text", "name", "sign", "values"),
    [
        ("price<=100", "price", "<=", (100.0,)), ("  price  >=  1e2 ", "price", ">=", (100.0,)),
        ("rooms < 3", "rooms", "<", (3.0,)), ("rooms = 2|3", "rooms", "=", (2.0, 3.0)),
        (r"district=A\|B|x:y", "district", "=", ("A|B", "x:y")), ("title==a=b<=c", "title", "=", ("=a=b<=c",)),
    ],
)  # fmt: skip
def test_the_first_sign_separates_a_name_from_its_values(trained, text, name, sign, values):
    condition = read_condition(trained.market, text)
    assert (condition.attribute.name, condition.sign, condition.values) == (name, sign, values)


@pytest.mark.parametrize(
    "text",
    [
        " " * 100_000, "a" + " " * 100_000 + "b", "=" * 2, "<=", "=5", "price<=", "price<= " + " " * 100_000, "price<=\ud800",
        "district<=A", "nothing=1", "price=cheap", "rooms=" + "1|" * 2000, "within 3km of 91,11",
    ],
)  # fmt: skip
def test_an_invalid_condition_is_refused_however_long_it_is(trained, text):
    with pytest.raises(VibesError, match="--where") as refused:
        read_condition(trained.market, text)
    assert "\n" not in str(refused.value)


def test_bounds_are_strict_or_not(trained):
    rooms, query = trained.market.listings.set_index(C.LISTING)["rooms"], trained.listing_ids[0]
    for text, fulfilled in (
        ("rooms<3", rooms < 3), ("rooms<=3", rooms <= 3), ("rooms>3", rooms > 3), ("rooms>=3", rooms >= 3),
    ):  # fmt: skip
        found = trained.similar(query, 200, rules={"where": text})[C.LISTING].tolist()
        assert set(found) == set(rooms.index[fulfilled]) - {query} != set()


def test_the_numbers_of_a_rule_and_of_a_draft_are_written_as_in_the_table(tmp_path):
    (tmp_path / "listings.csv").write_text(
        'listing_id,Preis\na,"12.990,00 €"\nb,"20.000,50 €"\nc,"20,50 €"\n'
    )
    (tmp_path / "market.toml").write_text('[attributes.Preis]\ndecimal = ","\n')
    market = Market.open(tmp_path)
    for text, value in (("20.000", 20_000), ("20.000,50", 20_000.5), ("20,5", 20.5), ("20.5", 20.5)):
        assert read_condition(market, f"Preis<={text}").values == (value,)
    drafts = [{"Preis": "12.990 €"}, {"Preis": "12.990,00 €"}, {"Preis": 12.990}]
    made = new_listings(market, drafts, [], tmp_path)
    assert made.listings["Preis"].tolist() == [12_990, 12_990, 12.99]
    with pytest.raises(VibesError, match="Preis is 'ab,5'; give a number"):
        new_listings(market, [{"Preis": "ab,5"}], [], tmp_path)


def test_an_empty_list_says_why(trained, tmp_path):
    assert "'price<=0'" in explain_empty(trained, Rules(where=("price<=0",)))
    assert "--at" in explain_empty(trained, Rules())
    user = trained.log.users[0]
    nothing = vibes("recommend", trained.path, user, "--json", "--where", "price<=0")
    assert nothing.stdout.strip() == "[]" and nothing.stderr == ""
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "listings.csv").write_text("listing_id,price,town\na,100,Ulm\n")
    embed_market(Market.open(tmp_path / "market"), tmp_path / "run", None, None)
    assert "No listing found" in vibes("similar", tmp_path / "run", "a").stdout


def test_a_distance_is_that_on_the_sphere_and_unknown_without_a_location():
    berlin, hamburg, antipode = (52.52, 13.405), (53.551, 9.993), (-52.52, 13.405 - 180)
    near, far, same, unknown = great_circle(np.array([hamburg, antipode, berlin, (np.nan, 0)]), berlin)
    assert near == pytest.approx(255, abs=2) and far == pytest.approx(np.pi * 6371, abs=1)
    assert same == 0 and np.isnan(unknown)
