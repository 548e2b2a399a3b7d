"""Which sign parts the decimals of a column."""

import pandas as pd
import pytest

from listing_vibes.market.decimals import has_decimal_comma, says_comma, with_points
from listing_vibes.market.values import to_numbers

FULL = [f"{i},{100 + i}" for i in range(1, 101)]
MANY = [f"{i}.{100 + i}" for i in range(1, 25)]


@pytest.mark.parametrize(
    ("cells", "comma"),
    [
        (["1.234,50 EUR", "99,00 EUR", None], True),
        (["€ 5,8", "6"], True),
        (["1.171.871", "59.874"], True),
        (["1 234,50", "12"], True),
        (["3,75 kg", "unbekannt", "k.A."], True),
        (["0,125", "0,250"], True),
        (["1.250,- €", "950,- €"], True),
        (["1,250.-", "950.-"], False),
        (['{"a": 1, "b": 2}'], False),
        ([*MANY, "950"], True),  # three figures behind each point, and a whole number without any: thousands
        ([*FULL, "$1,50"], False),  # a slip
        ([*FULL, "0,950"], True),  # no thousands
        ([*(cell.replace(",", ".") for cell in FULL), "950", "1.50"], True),  # a slip as well
        ([*(f"{i},5" for i in range(99)), "7.25"], True),
        ([*(f"{i}.5" for i in range(99)), "7,25"], False),
        ([f"{i}.500 €" for i in range(1, 25)], True),  # decimals seldom end in a zero
        ([f"{i}.500 €" for i in range(1, 15)], False),
        (MANY, False),  # three decimals each, or thousands: the order is the same
        ([*MANY, "950", "12.5"], False),
        (["1.250", "950"], False),
        (["1,250", "2,500,000"], False),
        (["5,8", "5.8"], False),
        (["1,200.50", "900"], False),
        (["Ulm, 5,8 km", "Bonn, 1,5 km"], False),
        (["1,2,3", "2,3"], False),
        (["31.01.2024", "28.02.2024"], False),
        ([], False),
    ],
)
def test_a_column_has_a_decimal_comma_where_cells_say_so_and_none_the_contrary(cells, comma):
    assert has_decimal_comma(pd.Series(cells, dtype="str")) is comma


def test_numbers_are_read_once_the_signs_are_swapped():
    column = pd.Series(["1.234,50 EUR", "-5,8", "12.000", None])
    values, bad = to_numbers(with_points(column))
    assert values[:3].tolist() == [1234.5, -5.8, 12000]
    assert not bad.any()
    assert with_points(pd.Series([1.5])).tolist() == [1.5]
    assert not has_decimal_comma(pd.Series([1.5]))


def test_one_cell_alone_is_judged_by_what_cannot_be_meant_otherwise():
    assert [says_comma(cell) for cell in ("5,8", "1.234,50 €", "1,234", "1.234", "12", "x")] == [
        True,
        True,
    ] + [False] * 4
