"""What people read in the place of a listing's id."""

import pandas as pd
import pytest

from listing_vibes.market.market import Market
from listing_vibes.market.titles import is_code, title_of


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([f"{row:016x}" for row in range(30)], True), ([f"{40_000 + row}" for row in range(30)], True), ([str(row) for row in range(300)], True),
        ([str(row) for row in range(30)], False), ([f"sort {row}" for row in range(300)], False),
    ],
)  # fmt: skip
def test_numbers_in_which_people_read_nothing_are_codes(values, code):
    assert is_code(pd.Series(values)) is code


@pytest.mark.parametrize(
    ("columns", "title"),
    [
        ({"Product Name": True, "brand": False}, "Product Name"), ({"name": True, "title": True}, "title"),
        ({"title": False, "name": True}, "name"),  # rather one that differs
        ({"name": False, "brand": False}, None), ({"brand_name": True}, None),
    ],
)  # fmt: skip
def test_a_column_that_is_called_a_title_titles_listings_unless_market_toml_says(folder, columns, title):
    cells = {True: lambda row: f"A fine boat no {row} of wood", False: lambda row: "ABC"[row % 3]}
    rows = "".join(f"a{i},{','.join(cells[differs](i) for differs in columns.values())}\n" for i in range(60))
    path = folder(listings=f"listing_id,{','.join(columns)}\n{rows}")
    market = Market.open(path)
    assert market.title == title
    assert title_of(market, "a1") == ("A fine boat no 1 of wood" if title else "Listing a1")
    (path / "market.toml").write_text(f'title = "{next(iter(columns))}"\n')
    assert Market.open(path).title == next(iter(columns))
