"""Conditions on listings as people write them: what is part of what, and what is none is refused at once."""

import json

import pytest

from helpers.commands import vibes
from helpers.serving import app_of, serving
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.newcomers import new_listings
from listing_vibes.run.where import read_condition


@pytest.mark.parametrize(
    ("text", "name", "sign", "values"),
    [
        ("price<=100", "price", "<=", (100.0,)),
        ("  price  >=  1e2 ", "price", ">=", (100.0,)),
        ("rooms < 3", "rooms", "<", (3.0,)),
        ("rooms>2", "rooms", ">", (2.0,)),
        ("rooms = 2|3", "rooms", "=", (2.0, 3.0)),
        ("district=A|B ", "district", "=", ("A", "B")),
        (r"district=A\|B|x:y", "district", "=", ("A|B", "x:y")),
        ("title==a=b<=c", "title", "=", ("=a=b<=c",)),
    ],
)
def test_the_first_sign_parts_a_name_from_its_values(trained, text, name, sign, values):
    found = read_condition(trained.market, text)
    assert (found.attribute.name, found.sign, found.values) == (name, sign, values)


def test_bounds_are_strict_or_not_in_command_service_and_python(trained):
    rooms = trained.market.listings.set_index(C.LISTING)["rooms"]
    asked = trained.listing_ids[0]
    with serving(app_of(trained.path)) as client:
        for text, fulfilled in (
            ("rooms<3", rooms < 3), ("rooms<=3", rooms <= 3), ("rooms>3", rooms > 3), ("rooms>=3", rooms >= 3),
        ):  # fmt: skip
            expected = set(rooms.index[fulfilled]) - {asked}
            found = trained.similar(asked, 200, rules={"where": text})
            assert set(found[C.LISTING]) == expected and expected
            told = json.loads(
                vibes("similar", trained.path, asked, "-k", 200, "--where", text, "--json").stdout
            )
            assert [one[C.LISTING] for one in told] == found[C.LISTING].tolist()
            answer = client.get(f"/similar/{asked}", params={"k": 200, "where": text}).json()
            assert [one[C.LISTING] for one in answer["results"]] == found[C.LISTING].tolist()


@pytest.mark.parametrize(
    "text",
    [" " * 100_000, "a" + " " * 100_000 + "b", "=" * 2, "<=", "=5", "price<=", "price<= " + " " * 100_000],
)
def test_what_is_no_condition_is_refused_however_long_it_is(trained, text):
    with pytest.raises(VibesError, match="Option --where"):
        read_condition(trained.market, text)


def test_the_numbers_of_a_rule_and_of_a_draft_are_written_as_in_the_table(tmp_path):
    (tmp_path / "listings.csv").write_text(
        'listing_id,Preis\na,"12.990,00 €"\nb,"20.000,50 €"\nc,"20,50 €"\n'
    )
    (tmp_path / "market.toml").write_text('[attributes.Preis]\ndecimal = ","\n')
    market = Market.open(tmp_path)
    for text, value in [
        ("20.000", 20_000),
        ("20.000,50", 20_000.5),
        ("20,5", 20.5),
        ("20.5", 20.5),
        ("20000", 20_000),
    ]:
        assert read_condition(market, f"Preis<={text}").values == (value,)
    drafts = [{"Preis": "12.990 €"}, {"Preis": "12.990,00 €"}, {"Preis": 12.990}]
    made = new_listings(market, drafts, [], tmp_path, [[]] * 3)
    assert made.listings["Preis"].tolist() == [12_990, 12_990, 12.99]
    with pytest.raises(VibesError, match="Preis is 'ab,5'; give a number"):
        new_listings(market, [{"Preis": "ab,5"}], [], tmp_path, [[]])
