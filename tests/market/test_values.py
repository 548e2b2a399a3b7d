"""Cells become ids, numbers, flags and sets, and columns get a type."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.attribute_types import infer_type
from listing_vibes.market.values import (
    as_ids,
    is_ambiguous,
    to_flags,
    to_numbers,
    to_set,
    to_sets,
    with_points,
)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("$1,200.00", 1200), ("95%", 95), ("€ 12.5", 12.5), ("US$ 12", 12), ("-$1,200", -1200), ("1e3", 1000), ("$.50", 0.5), ("  7 ", 7),
        ("12 €", 12), ("S$3.50", 3.5), ("12 EUR", 12), ("¥9,800", 9800), ("1’200", 1200), ("1 200", 1200), ("−1,200.5 €", -1200.5),
    ],
)  # fmt: skip
def test_a_number_is_read_without_currency_and_thousands_separators(cell, value):
    values, bad = to_numbers(pd.Series([cell]))
    assert values[0] == value and not bad[0]


@pytest.mark.parametrize(
    "cell", ["inf", "NaN", "1,5", "1.200,50", "12 34", "cheap", "12 Oak", "3 PM", "A12", "--5", "10k", "45k-60k", "$1.2M", "1.2万円", "110 kW", "$", ""]
)  # fmt: skip
def test_a_cell_that_is_no_finite_number_is_bad(cell):
    values, bad = to_numbers(pd.Series([cell, None]))
    assert np.isnan(values).all() and bad.tolist() == [True, False]


@pytest.mark.parametrize(
    ("column", "expected", "bad"),
    [
        (pd.Series([1.0, np.nan, np.inf]), [1, np.nan, np.nan], [False, False, True]),
        (pd.Series(["$5", None, "red", "$5"], dtype=object), [5, np.nan, np.nan, 5], [False, False, True, False]),
        (pd.Series(pd.to_datetime(["2024-01-01", None])), [np.nan, np.nan], [True, False]),
        (pd.Series(pd.to_timedelta([90, 1.5], unit="s")), [90, 1.5], [False, False]),
    ],
)  # fmt: skip
def test_numbers_of_typed_columns(column, expected, bad):
    values, is_bad = to_numbers(column)
    assert np.array_equal(values, expected, equal_nan=True) and is_bad.tolist() == bad


@pytest.mark.parametrize(
    ("cells", "ambiguous"),
    [(["1,234", "12"], [True, False]), (["1.234", "900"], [True, False]), (["0.125", "7"], [False, False]), (["20.5", "1,500"], [False, False]),
     (["1,234,567", "1"], [False, False]), (["1,5", "2"], [False, False]), ([1.234, 5], [False, False])],
)  # fmt: skip
def test_numbers_are_ambiguous_where_no_cell_decides_the_decimal_mark(cells, ambiguous):
    assert is_ambiguous(pd.Series(cells)).tolist() == ambiguous
    cells = pd.Series(["1.234,50", "1.200", "20.5", "€ 7,5", None])  # and with a decimal comma
    assert to_numbers(with_points(cells))[0].tolist()[:4] == [1234.5, 1200, 20.5, 7.5]


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        ([1.0, 2.0], ["1", "2"]), (["12.0", "x"], ["12", "x"]), ([" a "], ["a"]), ([1.5, 2.0], ["1.5", "2"]), ([12345678901234567], ["12345678901234567"]),
        (["007"], ["007"]), (["12", "12.00", "1.50", "-4.0"], ["12", "12", "1.50", "-4"]), ([12, 12.0, " 12.00 "], ["12", "12", "12"]),
    ],
)  # fmt: skip
def test_equal_identifiers_are_equal_texts(cells, ids):
    for dtype in (None, object):
        assert as_ids(pd.Series(cells, dtype=dtype)).tolist() == ids
    assert as_ids(pd.Series([*cells, None], dtype=object)).isna().tolist() == [False] * len(cells) + [True]


def test_flags_are_read_in_every_spelling():
    flags, bad = to_flags(pd.Series(["t", "No", "1", "0.0", None, "maybe"]))
    assert flags.tolist()[:4] == [True, False, True, False]
    assert flags.isna().tolist() == [False] * 4 + [True, True] and bad.tolist() == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("cell", "members"),
    [
        ('["Wifi", "Hot tub"]', ["Wifi", "Hot tub"]), ("a | b|a", ["a", "b"]), ("[]", []), ("""['cut, then fry', "men's", None]""", ["cut, then fry", "men's"]),
        ("[hot, cold]", ["hot", "cold"]), ('{TV,"Cable TV","24\\" screen"}', ["TV", "Cable TV", '24" screen']), ("{}", []), ("{a}|{b}", ["{a}", "{b}"]),
        ('{"a": 1}', ['{"a": 1}']), (np.array(["a"]), ["a"]), (["a", None, float("nan"), " a"], ["a"]), (None, None), (float("nan"), None), (5, ["5"]),
    ],
)  # fmt: skip
def test_a_set_is_read_from_a_list_or_a_text(cell, members):
    assert to_set(cell) == members


def test_sets_of_a_column_are_those_of_its_cells_and_share_nothing():
    cells = ["a | b|a", '["x", "y"]', "", 5, True, None, pd.NA, [1], np.array(["a", "b"]), "[" * 100_000]
    for separator in ("|", ","):
        sets = to_sets(pd.Series(cells * 2, dtype=object), separator)
        assert sets == [to_set(cell, separator) for cell in cells * 2]
    sets[0].append("z")
    assert sets[len(cells)] == to_set(cells[0], ",")


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("price", ["$1,200.00", "$80.00"], "number"), ("rooms", [1, 2, 3], "number"), ("mileage", ["1,200 km", "85,000 km"], "category"),
        ("postcode", ["SW 12", "SW 9"], "category"), ("check_in", ["3 PM", "11 AM", "4 PM"], "category"),
        ("pets", ["t", "f"], "flag"), ("pets", [0, 1], "flag"), ("pets", [True, False], "flag"), ("pets", ["Ja", "nein", None], "category"),
        ("amenities", ['["Wifi"]', "[]"], "multi"), ("extras", ["{a,b}", "{}", None] * 9, "multi"), ("tags", [["a"], ["b", "c"]], "multi"),
        ("extras", ['{"a": 1}', '{"a": 2}'] * 9, "category"), ("genres", ["Comedy|Drama", "Drama"] * 9, "multi"),
        ("equipment", [f"{n % 9} rings to cook on|{n % 7} hooks for a coat" for n in range(90)], "multi"),
        ("summary", [f"A quiet flat no. {n} | Old town | {n % 4} rooms" for n in range(90)], "text"),
        ("town", ["Ulm", "Bonn", "Ulm"], "category"), ("host_id", ["17", "18", "17"], "category"),
        ("title", [f"Dress {n % 700}" for n in range(1000)], "text"),  # a title recurs, in another color
        ("town", [f"Old {n % 400}" for n in range(1000)], "category"), ("model", [f"X{n % 700}" for n in range(1000)], "category"),
        ("code", [f"x{n}" for n in range(30)], None), ("empty", [None, None], None),
        ("seen", list(pd.to_datetime(["2024-01-01", "2024-01-02"])), None), ("seen", ["31.01.2024", "1.2.2024 9:05"] * 20, None),
        ("code", ["01067", "98804", "10115"], "category"), ("code", ["08", "09", "10"], "number"), ("code", ["0.50", "0.75"], "number"),
    ],
)  # fmt: skip
def test_types_are_inferred(name, cells, kind):
    assert infer_type(name, pd.Series(cells)) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("brand_id", "category"), ("categoryId", "category"), ("zip", "category"), ("EAN", "category"), ("paid", "number"), ("ocean", "number")],
)  # fmt: skip
def test_integers_in_a_column_of_ids_are_names(name, kind):
    few = np.arange(90) % 9
    for cells in (few, few.astype(float), few.astype(str)):
        assert infer_type(name, pd.Series(cells)) == kind
    assert infer_type(name, pd.Series(few + 0.5)) == "number"
