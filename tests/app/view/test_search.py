"""Finding listings by words."""

import pandas as pd
import pytest

from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes_app.view.search import SearchIndex


@pytest.fixture
def index(tmp_path) -> SearchIndex:
    table = pd.DataFrame(
        {
            "listing_id": ["10", "11", "12", "13", "14"],
            "name": [
                "Café by the lake",
                "Lakeside cabin",
                "Town flat, Müller",
                "House " + "very " * 20 + "spacious",
                "東京駅近くのマンション",
            ],
            "area": ["North", "North", "Lake District", "South", "बगीचा"],
            "about": [None, None, None, "calm " * 90 + "sauna", None],
            "extras": [["Wood stove", "Boat"], [], None, ["Boat"], ["Boat"]],
            "garden": [True, False, False, True, False],
        }
    )
    config = MarketConfig(
        title="name",
        attributes={
            "name": AttributeConfig(kind="text", label="Name"),
            "about": AttributeConfig(kind="text"),
            "extras": AttributeConfig(kind="multi"),
        },
    )
    write_market(tmp_path / "market", config, table)
    market = Market.open(tmp_path / "market")
    return SearchIndex.build(MarketView(market, lambda: EventLog.from_market(market)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lake", [0, 1, 2]),  # a whole word in the title, the beginning of one, an attribute
        ("LAKE north", [0, 1]),  # those with every word, then
        ("cafe", [0]),  # accents do not matter
        ("muller", [2]),
        ("spacious", [3]),  # the end of a long title, and of a long text
        ("saun", [3]),
        ("boat sto", [0]),  # the members of a set
        ("garden", [0, 3]),  # a flag that holds is found by its label
        ("ake", []),  # words are found by their beginning
        ("マンション", [4]),  # a script without spaces has no beginnings
        ("駅", [4]),
        ("駅前", []),
        ("बगीचा", [4]),
        ("12", [2]),  # an exact id
        (".*", []),
        ("", []),
    ],
)
def test_search(index, query, expected):
    rows, complete = index.find(query)
    assert rows[:complete].tolist() == expected
    assert len(rows) == len(set(rows.tolist()))


def test_listings_with_some_of_the_words_follow_those_with_all(index):
    rows, complete = index.find("brick boat garden")
    assert complete == 0 and rows.tolist() == [
        0,
        3,
        4,
    ]  # two of the words, then one; the rarer word counts more
    rows, complete = index.find("lake sauna")
    assert complete == 0 and sorted(rows.tolist()) == [0, 1, 2, 3] and rows[0] == 0
