"""A list as Python and behind a link: each gives the rows that were asked for."""

import pytest

from listing_vibes import Run, VibesError, selection
from listing_vibes.insight.selection.pages import selections
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules

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
