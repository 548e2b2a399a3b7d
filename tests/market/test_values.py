"""Cells become ids, numbers, flags, sets and moments, and columns get a type that reads, shows, filters and tokenizes them."""

import datetime as dt
import time

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import infer_type, type_of
from listing_vibes.market.moments import moment_in_log, to_moments
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


#: Cells of a file, the third of them missing.
FILES = {
    "category": {"x": ["A", "B", None, "A", "B"]},
    "number": {"x": ["$1,200", "13", None, "7.5", "7.5"]},
    "flag": {"x": ["yes", "f", None, "no", "t"]},
    "text": {"x": ["A sunny flat", "sunny side", None, "flat", "flat"]},
    "multi": {"x": ["pool|wifi", '["wifi"]', None, "pool", "wifi"]},
    "place": {"latitude": ["50", "51", None, "52", "53"], "longitude": ["9", "10", "11", "12", "13"]},
}


def read(name):
    """Return the listings table of the type's cells."""
    kind = type_of(name)
    raw = {column: pd.Series(cells) for column, cells in FILES[name].items()}
    if not kind.has_column:
        return pd.DataFrame({column: cells.astype(float) for column, cells in raw.items()})
    return pd.DataFrame({column: kind.read(cells)[0] for column, cells in raw.items()})


@pytest.mark.parametrize("name", FILES)
def test_a_type_reads_shows_and_tokenizes_its_values(name):
    kind, listings = type_of(name), read(name)
    assert kind.missing(listings, "x").tolist() == [False, False, True, False, False]
    words = kind.words(listings, "x")
    assert (
        words[2] == "" and all(words[row] for row in (0, 1, 3, 4)) and 1 < kind.distinct(listings, "x") <= 4
    )
    for column, cells in FILES[name].items():  # a typed value is read as in the file
        pairs = [(cell, listings[column][row]) for row, cell in enumerate(cells) if cell]
        assert all(kind.parse(cell, "X", column) == value for cell, value in pairs)
    entry = kind.fit(listings, "x", bins=3, min_count=1)
    entry.first = 7
    assert (entry.kind, entry.name) == (name, "x") and entry.size > 0
    slots = kind.tokenize(entry, listings)
    assert {row for tokens in slots for row in tokens.listing} == {0, 1, 3, 4}
    for tokens in slots:
        assert tokens.key < kind.keys and (tokens.bin is not None) == kind.binned
        assert all(entry.first <= number < entry.first + entry.size for number in tokens.ids)
        if tokens.bin is not None:
            assert tokens.bin.max() < entry.size and ((tokens.fraction >= 0) & (tokens.fraction <= 1)).all()
    empty = listings.assign(**{column: listings[column].where(listings[column].isna()) for column in kind.columns("x")})  # fmt: skip
    assert all(len(tokens.listing) == 0 for tokens in kind.tokenize(entry, empty))
    if kind.has_traits:
        label, traits, place, code = kind.traits("Label", listings["x"].dropna())
        assert label == "Label" and len(place) == len(code) and code.max() < len(traits)
        assert set(place) <= {0, 1, 3, 4} and all(value and piece for value, piece in traits)


@pytest.mark.parametrize(("kind", "value", "column"), [("number", "ten", "x"), ("flag", "perhaps", "x"), ("place", "91", "latitude")])  # fmt: skip
def test_an_invalid_value_is_one_sentence(kind, value, column):
    with pytest.raises(VibesError, match=f"X is '{value}'"):
        type_of(kind).parse(value, "X", column)


@pytest.mark.parametrize(
    ("name", "values", "rows"),
    [("category", ["a"], [0, 3]), ("category", ["b", "C"], [1, 4]), ("number", ["1200", "13.0"], [0, 1]), ("flag", ["Yes"], [0, 4]),
     ("text", ["SUNNY", "nothing"], [0, 1]), ("multi", ["Wifi"], [0, 1, 4])],
)  # fmt: skip
def test_a_condition_holds_for_its_values_and_for_no_missing_one(name, values, rows):
    kind, listings = type_of(name), read(name)
    result = kind.meets(listings["x"], [kind.parse_condition(value) for value in values])
    assert result.dtype == bool and np.flatnonzero(result).tolist() == rows


@pytest.mark.parametrize(
    ("label", "low", "pieces"),
    [
        ("Built", 1990, ["built until 1999", "built from 2010"]),
        ("Price", 0, ["cheap", "expensive"]),
        ("Living area", 0, ["small living area", "large living area"]),
    ],
)
def test_the_thirds_of_a_number_are_traits_of_groups(label, low, pieces):
    words = type_of("number").traits(label, pd.Series(np.arange(30.0) + low))[1]
    assert [piece for _, piece in words] == pieces


@pytest.mark.parametrize("way", [(20, 0), (-20, 0), (0, 20), (0, -20)])
def test_locations_of_another_town_outgrow_the_vocabulary(way):
    rng, kind = np.random.default_rng(0), type_of("place")
    home = pd.DataFrame({"latitude": rng.normal(50, 0.1, 200), "longitude": rng.normal(9, 0.1, 200)})
    entry = kind.fit(home, "place", 3, 1)
    for share, expected in ((0.0, 0.0), (0.4, 0.0), (0.6, 0.6)):
        moved = home + np.outer(np.arange(200) < 200 * share, way)
        assert kind.outgrown(entry, moved) == pytest.approx(expected)
        moved.loc[199] = np.nan
        assert kind.outgrown(entry, moved) == pytest.approx(expected * 200 / 199)


NOON = pd.Timestamp("2024-03-25T12:00", tz="UTC").value


def minutes(column: pd.Series) -> list[str]:
    """The moments of a column to the minute, "" where a cell is none."""
    moments, bad = to_moments(column)
    assert str(moments.dtype) == "datetime64[ns, UTC]" and (bad == (moments.isna() & column.notna())).all()
    return moments.astype("str").str[:16].where(moments.notna(), "").tolist()


@pytest.mark.parametrize(
    ("cells", "moment"),
    [
        (["2024-01-06"], "2024-01-06 00:00"), (["2024-01-06T10:00:00+02:00"], "2024-01-06 08:00"), (["2024-01-06 10:00:00 UTC"], "2024-01-06 10:00"),
        (["1704067200"], "2024-01-01 00:00"), ([1704067200000], "2024-01-01 00:00"), ([1704067200000000], "2024-01-01 00:00"),
        ([1704067200000000000], "2024-01-01 00:00"), (["20240131"], "2024-01-31 00:00"), ([20240131.0, np.nan], "2024-01-31 00:00"),
        ([dt.date(2024, 2, 29)], "2024-02-29 00:00"), (["31.01.2024"], "2024-01-31 00:00"), (["1.2.2024 9:05"], "2024-02-01 09:05"),
        (["9999-12-31"], "2262-04-11 23:47"), ([pd.Timestamp("9999-12-31")], "2262-04-11 23:47"),
    ],
)  # fmt: skip
def test_moments_are_read_as_utc(cells, moment):
    assert minutes(pd.Series(cells))[0] == moment


@pytest.mark.parametrize(
    "cells",
    [
        ["yesterday"], ["2024-13-01"], ["31.13.2024"], ["05/01/2024"], ["20240230"], [2023, 45300], [True, False],
    ],
)  # fmt: skip
def test_what_is_no_moment_for_sure_is_bad(cells):
    assert set(minutes(pd.Series(cells))) == {""}


@pytest.mark.parametrize(
    ("cells", "moments"),
    [
        (["24/01/2024 01:57", "03/02/2024"], ["2024-01-24 01:57", "2024-02-03 00:00"]),
        (["01/24/2024 06:07 PM", "3/2/2024 12:00:01 am"], ["2024-01-24 18:07", "2024-03-02 00:00"]),
        (["01/02/2024", "2024-01-31"], ["", "2024-01-31 00:00"]), (["24/01/2024", "01/24/2024"], ["", ""]),
    ],
)  # fmt: skip
def test_the_whole_column_decides_whether_the_day_comes_first(cells, moments):
    assert minutes(pd.Series(cells)) == moments


@pytest.mark.parametrize(
    "at",
    ["2024-03-25T12:00", "2024-03-25 14:00+02:00", " 25.03.2024 12:00 ", pd.Timestamp("2024-03-25T13:00", tz="Europe/Berlin"),
     np.datetime64("2024-03-25T12:00"), dt.datetime(2024, 3, 25, 12, tzinfo=dt.UTC), NOON, np.int64(NOON)],
)  # fmt: skip
def test_a_moment_is_read_in_every_form(at):
    assert moment_in_log(at, timed=True) == NOON
    assert moment_in_log(dt.date(2024, 3, 25), True) == NOON - 12 * 3600 * 10**9
    assert abs(moment_in_log("now", True) - time.time_ns()) < 600 * 10**9


@pytest.mark.parametrize(
    "at", ["", "NaT", "noon", "05/06/2024", "12:00", "17", None, float("nan"), [], "9" * 400, 10**30, 1712016000, np.int64(1712016000000), "5000-01-01"]
)  # fmt: skip
def test_what_is_no_moment_is_one_sentence(at):
    with pytest.raises(VibesError, match=r"Option --at is '.*'; give a date"):
        moment_in_log(at, True, "Option --at")


def test_without_timestamps_a_moment_is_a_position():
    assert moment_in_log("17", False) == moment_in_log(17, False) == 17
    for at in ("2024-03-25", None, "1e999", 10**30):
        with pytest.raises(VibesError, match="give a position, a whole number"):
            moment_in_log(at, False)
