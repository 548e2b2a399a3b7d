"""What a listing is called where no column titles it."""

from types import SimpleNamespace

import pandas as pd
import pytest

from listing_vibes.market.called import title_of
from listing_vibes.market.codes import is_code
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.market.profile_text import render
from listing_vibes.run.describe import described

SORTS = ["gelatin", "tinned soup", "rye bread", "washing powder", "cat food", "apple sauce"]
AISLES = ["sweets", "tins", "bakery", "household", "pets", "sweets"]


def market_of(folder, *columns: str, toml: str = "") -> Market:
    """A shop of 240 goods; of each of `columns` every listing has a value."""
    cells = {
        "maker_id": lambda row: str(row % 120),
        "barcode": lambda row: f"{50_000 + row}",
        "aisle": lambda row: AISLES[row % 6],
        "sort": lambda row: SORTS[row % 6],
        "pack": lambda row: f"{1 + row // 6 % 5} OZ",
        "seller": lambda row: "us",
    }
    rows = "\n".join(",".join([f"g{row}", *(cells[one](row) for one in columns)]) for row in range(240))
    kinds = "".join(f'[attributes.{one}]\nkind = "category"\n' for one in columns)
    return Market.open(folder(listings=f"listing_id,{','.join(columns)}\n{rows}\n", toml=toml + kinds))


@pytest.mark.parametrize(
    "columns, by, called",
    [
        (("maker_id", "barcode", "aisle", "sort", "pack", "seller"), ["sort", "pack"], "tinned soup, 1 OZ"),
        (("pack", "aisle", "sort"), ["sort", "pack"], "tinned soup, 1 OZ"),  # not in the order of columns
        (("aisle", "sort", "seller"), ["sort"], "tinned soup"),  # the sort says the aisle as well
        (("maker_id", "barcode", "pack", "seller"), [], None),  # no words tell anything
    ],
)
def test_the_words_that_tell_most_name_a_listing_and_then_what_they_do_not_say(folder, columns, by, called):
    market = market_of(folder, *columns)
    assert [one.name for one in market.named_by] == by
    assert market.called(1) == called
    assert title_of(market, "g1") == (called or "Listing g1")
    stand = (
        f"{' and '.join(one.capitalize() for one in by)} of a listing stand for them"
        if by
        else "ids stand for them"
    )
    assert stand in render(profile(market))


@pytest.mark.parametrize(
    "values, code",
    [
        ([f"{row:016x}" for row in range(300)], True),  # a few or many
        ([f"{row:016x}" for row in range(30)], True),
        ([f"{40_000 + row}" for row in range(30)], True),
        ([str(row) for row in range(300)], True),
        ([str(row) for row in range(30)], False),  # rooms
        ([f"sort {row}" for row in range(300)], False),
    ],
)
def test_numbers_that_nobody_reads_are_codes(values, code):
    assert is_code(pd.Series(values)) is code


def test_a_title_comes_before_all(folder):
    market = market_of(folder, "aisle", "sort", toml='title = "aisle"\n')
    assert (market.named_by, market.called(1)) == ([], "tins")


def test_what_is_known_of_a_listing_calls_it(folder):
    cells = [f"a{row},{SORTS[row % 6]},{row % 5} OZ" for row in range(60)]
    cells[:3] = ["a0,,2 OZ", "a1,gelatin,", "a2,,"]
    market = Market.open(folder(listings="\n".join(["listing_id,sort,pack", *cells])))
    assert [market.called(row) for row in range(3)] == ["2 OZ", "gelatin", None]


def test_a_list_in_the_terminal_begins_with_what_calls_a_listing(folder):
    run = SimpleNamespace(market=market_of(folder, "maker_id", "seller", "aisle", "sort", "pack"))
    found = described(run, pd.DataFrame({"listing_id": ["g1"], "score": [0.5]}), attributes=3)
    assert found.columns.tolist() == ["listing", "Sort", "Pack", "Seller", "score"]
