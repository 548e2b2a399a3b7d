"""Cells to values: money, infinities, flags, sets, moments, and the inferred kinds."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.kinds import infer_kind
from listing_vibes.market.moments import to_moments
from listing_vibes.market.values import to_flags, to_numbers, to_set, to_sets


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("$1,200.00", 1200), ("1 200 m2", 1200), ("95%", 95), ("€ 12.5", 12.5), ("US$ 12", 12), ("-$1,200", -1200),
        ("12.- CHF", 12), ("81 min", 81), ("1e3", 1000), ("Rs.500", 500), ("$.50", 0.5), ("1,00,000", 100000), ("  7 ", 7),
        ("3 beds", 3), ("12 €", 12), ("1200 sq ft", 1200), ("80 m²", 80), ("S$3.50", 3.5), ("12 EUR", 12), ("$90/night", 90),
        ("¥9,800", 9800), ("１２３", 123), ("- 5", -5), ("$-5", -5),
        ("-5 °C", -5), ("AED 85,210", 85210), ("85,210 SAR", 85210),
        ("350 zł", 350), ("US $1,200", 1200),
        ("1’200.-", 1200), 
        ("$25 m²", 25),
        ("500 m", 500), ("25 €/m²", 25), ("7 trees", 7), ("−7", -7), ("−1,200.5 €", -1200.5),
    ],
)  # fmt: skip
def test_a_number_is_read_with_its_currency_thousands_and_unit(cell, value):
    values, bad = to_numbers(pd.Series([cell]))
    assert values[0] == value
    assert not bad[0]


@pytest.mark.parametrize(
    "cell",
    [
        "inf",
        "-Infinity",
        "NaN",
        "1,5",
        "1.200,50",
        "12 34",
        "cheap",
        "12 Oak",
        "12 NY",
        "12 MI",
        "SW 12",
        "3 PM",
        "5 MIO",
        "450 tis",
        "1.2 mrd",
        "Rp 1.2 M",
        "1.2 mılıar",
        "5.6 TY 1.2",
        "12AB",
        "A12",
        "12B",
        "1号线",
        "1億円2万",
        "1億-5",
        "--5",
        "+ -5",
        "10k",
        "14K",
        "45k-60k",
        "3 million",
        "1.2万円",
        "5.6 tỷ",
        "$1.2M",
        "110 kW",
        "12 Jahre",
        "$",
        "",
    ],
)
def test_what_is_no_finite_number_is_bad_rather_than_guessed(cell):
    values, bad = to_numbers(pd.Series([cell, None]))
    assert np.isnan(values).all()
    assert bad.tolist() == [True, False]


def test_numeric_columns_keep_missing_and_refuse_infinity():
    values, bad = to_numbers(pd.Series([1.0, np.nan, np.inf, -np.inf]))
    assert np.array_equal(values, [1, np.nan, np.nan, np.nan], equal_nan=True)
    assert bad.tolist() == [False, False, True, True]


def test_cells_that_repeat_are_read_like_any_others():
    cells = ["$5", None, "red", "$5", "7", "red", "inf", None]
    for kind in ("str", object):
        values, bad = to_numbers(pd.Series(cells, dtype=kind))
        assert np.array_equal(values, [5, np.nan, np.nan, 5, 7, np.nan, np.nan, np.nan], equal_nan=True)
        assert bad.tolist() == [False, False, True, False, False, True, True, False]


def test_dates_are_no_numbers():
    values, bad = to_numbers(pd.Series(pd.to_datetime(["2024-01-01", None])))
    assert np.isnan(values).all()
    assert bad.tolist() == [True, False]


def test_days_with_points_between_are_moments():
    cells = [
        "31.01.2024",
        "1.2.2024 9:05",
        "3.4.2024, 18:05:09",
        "31.13.2024",
        None,
        "2024-03-25T12:00+02:00",
    ]
    moments, bad = to_moments(pd.Series(cells))
    assert moments.astype("str").where(~moments.isna(), "").tolist() == [
        "2024-01-31 00:00:00+00:00", "2024-02-01 09:05:00+00:00", "2024-04-03 18:05:09+00:00", "", "", "2024-03-25 10:00:00+00:00",
    ]  # fmt: skip
    assert bad.tolist() == [False] * 3 + [True, False, False]


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        (["24/01/2024 01:57", "03/02/2024"], ["2024-01-24 01:57", "2024-02-03 00:00"]),
        (["01/24/2024 06:07 PM", "3/2/2024, 12:00:01 a.m.", "02/03/2024 13:00 PM"], ["2024-01-24 18:07", "2024-03-02 00:00", ""]),
        (["01/02/2024", "2024-01-31"], ["", "2024-01-31 00:00"]), (["24/01/2024", "01/24/2024"], ["", ""]),
        (["24/01/2024", "24/24/2024", "45/01/2024"], ["2024-01-24 00:00", "", ""]),
    ],
)  # fmt: skip
def test_the_whole_column_says_what_comes_first_where_slashes_stand_between(cells, days):
    moments, bad = to_moments(pd.Series([*cells, None]), whole=True)
    assert moments.astype("str").str[:16].where(~moments.isna(), "").tolist() == [*days, ""]
    assert bad.tolist() == [day == "" for day in days] + [False]


@pytest.mark.parametrize(("day_first", "day"), [(None, ""), (True, "2024-02-01"), (False, "2024-01-02")])
def test_a_cell_alone_is_read_where_it_leaves_no_doubt(day_first, day):
    cells = pd.Series(["24/01/2024", "01/24/2024", "01/02/2024", "24/24/2024", "2024-01-31"])
    moments, _ = to_moments(cells, day_first=day_first)
    found = moments.astype("str").str[:10].where(~moments.isna(), "").tolist()
    assert found == ["2024-01-24", "2024-01-24", day, "", "2024-01-31"]


def test_whole_numbers_in_a_column_of_ids_are_names_in_any_table():
    few = np.arange(90) % 9
    for name in ("brand_id", "Marke ID", "categoryId", "ID"):
        assert infer_kind(name, pd.Series(few)) == "category"
        assert infer_kind(name, pd.Series(few.astype(float))) == "category"
        assert infer_kind(name, pd.Series(few.astype(str))) == "category"
        assert infer_kind(name, pd.Series(few + 0.5)) == "number"
        assert infer_kind(name, pd.Series(np.arange(90))) is None
    for name in ("zip", "PLZ", "postal_code", "seller_phone", "EAN"):
        assert infer_kind(name, pd.Series(few)) == "category"
    for name in ("paid", "bid", "grid", "solid", "ocean", "megaphone"):
        assert infer_kind(name, pd.Series(few)) == "number"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["01067", "98804", "10115"], "category"), (["00501", *["98804", "10115"] * 40], "category"), (["0171234", "017123", "+4917"], "category"),
        (["08", "09", "10"], "number"), (["007 years", "012 years"], "number"), (["0950", *["12345", "800"] * 40], "number"), (["0.50", "0.75"], "number"),
    ],
)  # fmt: skip
def test_zeros_in_front_are_of_codes(cells, kind):
    assert infer_kind("code", pd.Series(cells)) == kind


def test_flags_in_every_spelling():
    flags, bad = to_flags(pd.Series(["t", "No", "1", "0.0", None, "maybe"]))
    assert flags.tolist()[:4] == [True, False, True, False]
    assert flags.isna().tolist() == [False] * 4 + [True, True]
    assert bad.tolist() == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("cell", "members"),
    [
        ('["Wifi", "Hot tub"]', ["Wifi", "Hot tub"]), ("a | b|a", ["a", "b"]), ("[]", []), ("['x', 'y']", ["x", "y"]),
        (np.array(["a"]), ["a"]), (None, None), (float("nan"), None), (5, ["5"]), ("[" * 100_000, []),
    ],
)  # fmt: skip
def test_sets(cell, members):
    found = to_set(cell)
    assert found == members or members == []  # a hopeless cell may be anything but an exception


def test_sets_in_braces_are_read_as_postgres_and_python_write_them():
    assert to_set('{TV,"Cable TV","24\\" screen"}') == ["TV", "Cable TV", '24" screen']
    assert (
        to_set("{'a', 'b, c'}") == ["a", "b, c"]
        and to_set("{}") == []
        and to_set("{a}|{b}") == ["{a}", "{b}"]
    )
    assert to_set('{"a": 1}') == ['{"a": 1}']  # an object is one member
    assert infer_kind("extras", pd.Series(["{a,b}", "{}", None] * 9)) == "multi"
    assert infer_kind("extras", pd.Series(['{"a": 1}', '{"a": 2}'] * 9)) == "category"


@pytest.mark.parametrize(
    ("cell", "members"),
    [
        ("""['cut, then fry', "men's shirt"]""", ["cut, then fry", "men's shirt"]), (r"['a\\b', 'c\td']", ["a\\b", "c\td"]),
        ("['cut, then fry', 'salt']", ["cut, then fry", "salt"]), ("['Wifi' 'Hot tub'\n 'cut, then fry']", ["Wifi", "Hot tub", "cut, then fry"]),
        ("('a, b', 'c')", ["a, b", "c"]), ("('a, b',)", ["a, b"]), ("""{'cut, then fry', "men's"}""", ["cut, then fry", "men's"]),
        ("[np.str_('np.x(1)')]", ["np.x(1)"]), ("[hot, cold]", ["hot", "cold"]), ("['a', nan]", ["a"]), ('["b", null]', ["b"]), ("(a, b)", ["(a, b)"]), ("('a')|('b')", ["('a')", "('b')"]),
        (r"""['\d', "x"]""", [r"\d", "x"]), ("['b', None]", ["b"]), ("""["men's", nan, 'None']""", ["men's", "None"]),
        ("[1.5, nan]", ["1.5"]), ("[hot, nan]", ["hot", "nan"]), ("['np.x(1)', nan]", ["np.x(1)"]), ("['a', np.str_('b')]", ["a", "b"]),
        ("""[np.str_('a (b)'), np.str_("men's")]""", ["a (b)", "men's"]), ("[np.int64(1), np.float64(nan), np.int64(7)]", ["1", "7"]),
    ],
)  # fmt: skip
def test_sets_as_python_and_pandas_write_them_into_a_csv(cell, members):
    assert to_set(cell) == members


def test_cells_read_together_read_as_each_alone():
    several = [
        "a | b|a", '["x", "y"]', "", "5", 5, 1, 1.0, True, None, float("nan"), pd.NA, ["1"], [1], [1.0], [True], [" a", "a", ""],
        np.array(["a", "b"]), np.array([1, 1]), np.array(["1"], object), np.array([["a", "b"]]), ("a", "b"), ["a", None], {"a": 1},
    ]  # fmt: skip
    for separator in ("|", ","):
        alone = [to_set(cell, separator) for cell in several + several[::-1]]
        together = to_sets(pd.Series(several + several[::-1], dtype=object), separator)
        assert together == alone
    together[1].append("z")
    assert together != alone and together[-2] == alone[-2]  # equal cells share nothing that can be changed


@pytest.mark.parametrize(
    ("cells", "moment"),
    [
        (["2024-01-06"], "2024-01-06"), (["2024-01-06T10:00:00+02:00"], "2024-01-06 08:00"),
        (["2024-01-06 10:00:00 UTC"], "2024-01-06 10:00"), (["2024-01-06T10:00:00.5[UTC]"], "2024-01-06 10:00:00.5"),
        (["20240131180509"], "2024-01-31 18:05:09"), ([202401311805], "2024-01-31 18:05"), ([20240131180509.0], "2024-01-31 18:05:09"),
        (["1704067200"], "2024-01-01"), ([1704067200000], "2024-01-01"), ([1704067200000000], "2024-01-01"),
        ([1704067200000000000], "2024-01-01"), (["20240131"], "2024-01-31"), ([dt.date(2024, 2, 29)], "2024-02-29"),
    ],
)  # fmt: skip
def test_moments_are_read_as_utc(cells, moment):
    moments, bad = to_moments(pd.Series(cells))
    assert moments[0] == pd.Timestamp(moment, tz="UTC")
    assert str(moments.dtype) == "datetime64[ns, UTC]"
    assert not bad.any()


@pytest.mark.parametrize("cell", ["yesterday", "2024-13-01", "05/01/2024", "20240230"])
def test_what_is_no_moment_is_bad(cell):
    moments, bad = to_moments(pd.Series([cell, None]))
    assert moments.isna().all()
    assert bad.tolist() == [True, False]


@pytest.mark.parametrize("column", [pd.Series(["9999-12-31"]), pd.Series([pd.Timestamp("9999-12-31")])])
def test_a_date_beyond_nanoseconds_is_moved_to_their_end(column):
    moments, bad = to_moments(column)
    assert moments[0].year == 2262
    assert not bad.any()


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("price", ["$1,200.00", "$80.00"], "number"),
        ("rooms", [1, 2, 3], "number"),
        ("mileage", ["1,200 KM", "85,000 KM", "12 KM"], "category"),
        ("house", ["12 NY", "15 NY", "7 CA"], "category"),  # codes of states
        ("postcode", ["SW 12", "SW 9", "NW 1"], "category"),
        ("check_in", ["3 PM", "11 AM", "4 PM"], "category"),
        ("pets", ["t", "f"], "flag"),
        ("pets", [0, 1], "flag"),
        ("pets", ["Ja", "nein", None], "category"),
        ("language", ["ja", "no"], "category"),
        ("pets", [True, False], "flag"),
        ("amenities", ['["Wifi"]', "[]"], "multi"),
        ("genres", ["Comedy|Drama", "Drama"], "multi"),
        (
            "equipment",
            [f"{n % 9} rings to cook on|{n % 7} hooks for a coat|{n % 5} kinds of tea" for n in range(90)],
            "multi",
        ),
        ("summary", [f"A quiet flat no. {n} | Old town | {n % 4} rooms" for n in range(90)], "text"),
        ("tags", [["a"], ["b", "c"]], "multi"),
        ("town", ["Ulm", "Bonn", "Ulm"], "category"),
        ("host_id", ["17", "18", "17"], "category"),
        ("summary", [f"a quiet flat number {n} near the park" for n in range(30)], "text"),
        ("title", [f"Dress {n % 700}" for n in range(1000)], "text"),  # a title recurs, in another colour
        ("town", [f"Old {n % 400}" for n in range(1000)], "category"),
        ("town", [f"Old {n % 700}" for n in range(3000)], "category"),
        ("model", [f"X{n % 700}" for n in range(1000)], "category"),
        ("code", [f"x{n}" for n in range(30)], None),
        ("empty", [None, None], None),
        ("seen", list(pd.to_datetime(["2024-01-01", "2024-01-02"])), None),
    ],
)
def test_kinds_are_inferred(name, cells, kind):
    assert infer_kind(name, pd.Series(cells)) == kind


def test_days_that_are_no_whole_numbers_are_no_days():
    moments, bad = to_moments(pd.Series(["20240131", "20240131.5", "20240230", "1e300", "-20240131"]))
    assert moments[0] == pd.Timestamp("2024-01-31", tz="UTC") and bad.tolist() == [
        False,
        True,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("cells", "moments"),
    [
        (["2023", "2030", "0"], ["2023-01-01", "2030-01-01", None]), ([2023.0, np.nan], ["2023-01-01", None]),
        ([202401, 202413], ["2024-01-01", None]), (["45300.5", "45301"], [None, None]), ([1704067200], ["2024-01-01"]),
    ],
)  # fmt: skip
def test_days_may_be_years_or_months_and_are_not_counted_as_spreadsheets_do(cells, moments):
    found, bad = to_moments(pd.Series(cells), days=True)
    assert [None if pd.isna(one) else str(one.date()) for one in found] == moments
    assert bad.tolist() == [
        one is None and not pd.isna(cell) for one, cell in zip(moments, cells, strict=True)
    ]
    assert to_moments(pd.Series([2023, 45300]))[0].dt.year.tolist() == [
        1970,
        1970,
    ]  # seconds of a log of one's own


@pytest.mark.parametrize("kind", ["bool", "boolean"])
def test_true_and_false_are_no_moments(kind):
    moments, bad = to_moments(pd.Series([True, False], dtype=kind))
    assert moments.isna().all() and bad.all() and str(moments.dtype) == "datetime64[ns, UTC]"
