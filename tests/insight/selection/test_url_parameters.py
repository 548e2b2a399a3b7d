"""Rules, filters and moments of a URL; what means nothing for the market is left out and named."""

from types import SimpleNamespace
from typing import Annotated

import pandas as pd
import pytest
from pydantic import Field

from listing_vibes import Run, VibesError, selection
from listing_vibes.insight.selection import url_parameters
from listing_vibes.insight.selection.page_lists import Selection, as_of, selections
from listing_vibes.insight.selection.url_parameters import Filters, Params, escaped, read_rules
from listing_vibes.market.log import DAY
from listing_vibes.market.market import Market
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Declared, Rules


@pytest.fixture(scope="module")
def market():
    """Homes of two kinds with a price."""
    homes = pd.DataFrame(
        {
            "listing_id": ["a", "b", "c", "d"],
            "type": ["flat", "flat", "hut", "hut"],
            "rent": [1.0, 2.0, 3.0, 4.0],
        }
    )
    attributes = {"type": {"kind": "category"}, "rent": {"kind": "number", "unit": "EUR"}}
    return Market.from_frames(homes, attributes=attributes)


@pytest.mark.parametrize(
    ("params", "rules", "left"),
    [
        ({"per": "type", "most": "3"}, {"seller": "type", "at_most": 3}, []),
        ({"per": "mood", "most": "x"}, {}, [("per", "mood"), ("most", "x")]),
        ({"live": "1", "fill": "yes"}, {"live_only": True}, [("fill", "yes")]),
        ({"seen": "2", "variety": "x"}, {}, [("seen", "2"), ("variety", "x")]),
        ({"same": "type,mood"}, {"same": ("type",)}, [("same", "mood")]),
        ({"live": "0", "seen": "1", "variety": "5", "fill": "1"},
         {"live_only": False, "drop_seen": False, "diversity": 0.5, "fill": True}, []),
        ({"where": "rent<=2;type=flat|hut", "pin": "c; a", "block": "b", "not": "d"},
         {"where": ("rent<=2", "type=flat|hut"), "pin": ("c", "a"), "block": ("b",), "unlike": ("d",)}, []),
        ({"boost": "fresh 1 14d;near 48.0,11.0 1 500m", "dial": "mine 1.5 model +a -b"},
         {"boost": ("fresh 1 14d", "near 48.0,11.0 1 500m"), "dial": ("mine 1.5 model +a -b",)}, []),
    ],
)  # fmt: skip
def test_rules(market, params, rules, left):
    link = Params(params)
    found = read_rules(market, link, True)
    assert found.model_dump(exclude_defaults=True) == rules and link.unused == left


def test_a_rule_of_any_type_that_somebody_adds_is_read_as_it_is_declared(market, monkeypatch):
    class Extended(Rules):
        photos: Annotated[int | None, Declared(parameter="pictures")] = Field(None, ge=1)
        near: Annotated[float, Declared()] = 0.0

    monkeypatch.setattr(url_parameters, "Rules", Extended)
    found = read_rules(market, Params({"pictures": "3", "near": "0.5"}), True)
    assert (found.photos, found.near) == (3, 0.5)
    link = Params({"pictures": "0", "near": "x"})
    assert read_rules(market, link, True) == Extended()
    assert link.unused == [("pictures", "0"), ("near", "x")]


@pytest.mark.parametrize(
    ("params", "filters", "left"),
    [
        ({"price": "1-3", "is": "type:hut"}, Filters(1.0, 3.0, (("type", "hut"),)), []),
        ({"price": "1-x"}, Filters(1.0), [("price", "1-x")]),
        ({"km": "3", "on": "2025-03-03"}, Filters(), [("km", "3"), ("on", "2025-03-03")]),
        ({"is": "mood:x|type:flat", "same": "type,mood"}, Filters(values=(("type", "flat"),), same=("type",)),
         [("is", "mood:x"), ("same", "mood")]),
    ],
)  # fmt: skip
def test_filters(market, params, filters, left):
    link = Params(params)
    assert Filters.read(market, link) == filters and link.unused == left


def test_names_and_values_with_separators_survive_a_url():
    homes = pd.DataFrame(
        {
            "listing_id": list("abcdef"),
            "type": ["A|B", "A", "x:y", "50%2C", "A", "A|B"],
            "bed,size": ["big", "small"] * 3,
        }
    )
    attributes = {"type": {"kind": "category"}, "bed,size": {"kind": "category"}}
    market = Market.from_frames(homes, attributes=attributes)
    for value, rows in (("A|B", [0, 5]), ("x:y", [2]), ("50%2C", [3]), ("A", [1, 4])):
        asked = Filters(values=(("type", value), ("bed,size", "big")), same=("bed,size",))
        params = {name: text for name, text in asked.params().items() if text}
        assert Filters.read(market, Params(params)) == asked
        assert Filters(values=asked.values[:1]).mask(market).nonzero()[0].tolist() == rows
    assert Filters.read(market, Params({"is": "type:x:y"})).values == (
        ("type", "x:y"),
    )  # as addresses were written
    rules = read_rules(market, Params({"same": f"{escaped('bed,size')},type"}), True)
    assert rules.same == ("bed,size", "type")


def test_a_band_of_prices_means_the_same_where_tables_have_decimal_commas(tmp_path):
    rows = 'a,"1,20 €"\nb,"20,50 €"\nc,"1.400,00 €"\n'
    (tmp_path / "listings.csv").write_text(f"listing_id,price\n{rows}")
    (tmp_path / "market.toml").write_text('[attributes.price]\nunit = "EUR"\ndecimal = ","\n')
    market = Market.open(tmp_path)
    assert Filters.read(market, Params({"price": "1.234-20.5"})).mask(market).tolist() == [False, True, False]
    assert Filters.read(market, Params({"price": "1.199-1400"})).mask(market).tolist() == [True, True, True]


def test_events_that_share_a_moment_with_others_are_the_history_themselves(make_log):
    log = make_log([0] * 4, [0, 1, 2, 3], [DAY, 2 * DAY, 2 * DAY, 3 * DAY], 4, 1)
    run = SimpleNamespace(log=log, listing_ids=list("abcd"))
    users, moments, histories = zip(*(as_of(run, 0, at) for at in (1, 2, 3, 4)), strict=True)
    assert users == ("u0", "", "u0", "u0")
    assert moments == ("1970-01-03T00:00:00", "1970-01-03T00:00:00", "1970-01-04T00:00:00", None)
    assert [[event.listing for event in history] for history in histories] == [[], ["a", "b"], [], []]


RULES = Rules(
    live_only=True,
    at_most=2,
    seller="district",
    diversity=0.4,
    where=("rooms>=2", "district=Harbour|Orchard|Riverside|Northgate", "within 40km of 50.0,10.0"),
    pin=("home-0007",),
    block=("home-0001",),
    unlike=("home-0009",),
    boost=("fresh 0.5 14d",),
    dial=("more rustic -1.5 attributes +home-0003 +home-0010 -home-0020",),
    fill=True,
)


def of_python(text: str) -> list[str]:
    names: dict = {}
    exec(text, names)
    return names["result"]["listing_id"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        Selection("similar", "home-0003", 6, space="attributes"),
        Selection("similar", "home-0003", 9, at="2025-03-01T12:00:00", rules=RULES),
        Selection(
            "recommend", "user-0001", 7, at="2025-03-01", rules=Rules(live_only=False, drop_seen=False)
        ),
        Selection("recommend", "user-0002", 7, rules=RULES.model_copy(update={"same": ("district",)})),
        Selection("recommend", "", 5, history=(Event("home-0003", "view", 30.5), Event("home-0004"))),
    ],
)
def test_python_gives_the_rows(trained, asked):
    run = Run.open(trained.path)
    expected = asked.frame(run)["listing_id"].tolist()
    assert 0 < len(expected) <= asked.k
    assert of_python(asked.python(str(run.path))) == expected


def test_a_link_gives_what_it_names(trained):
    link = "http://127.0.0.1:1/explorer/similar?listing=home-0003&k=4&view=spaces&price=500-&is=deal:rent"
    found = selection(trained, link)
    assert set(found["list"]) == {"Model", "Attributes"}
    asked = selections(trained, link)
    assert asked[0].rules.where[-1] == "deal=rent" and asked[0].k == 4
    two = selection(trained, "/simulate?h=home-0003&h2=home-0004*view&two=1&k=3")
    assert two["list"].tolist() == ["History A"] * 3 + ["History B"] * 3
    user = selections(trained, "users?user=user-0001&at=3&with=nothing")
    assert user[0].query == "user-0001" and user[0].at is not None
    (of_day,) = selections(trained, "users?user=user-0001&at=3&day=2025-03-20")
    assert (of_day.query, of_day.at, of_day.history) == ("user-0001", "2025-03-20", ())


@pytest.mark.parametrize(
    "link",
    [
        "/map?group=0", "/similar", "/similar?listing=home-9999", "/users?user=nobody", "/simulate?h=nothing",
        "/similar?listing=home-0003&where=colour%3Dred", "//[x",
    ],
)  # fmt: skip
def test_a_link_that_names_nothing_is_refused(trained, link):
    with pytest.raises(VibesError):
        selection(trained, link)


def test_the_table_has_the_rows_and_all_attributes(trained):
    asked = Selection("similar", "home-0003", 4, space="attributes")
    table = asked.table(trained)
    assert table["listing_id"].tolist() == asked.frame(trained)["listing_id"].tolist()
    homes = trained.market.listings.set_index("listing_id")
    assert table["price"].tolist() == homes.loc[table["listing_id"], "price"].tolist()
    assert not table.columns.duplicated().any() and table["title"].notna().all()
