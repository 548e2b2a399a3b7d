"""What every kind promises: a column read, told in ids of its own, spoken, and typed again."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market

#: Sample of a file, the third of them missing.
FILES = {
    "category": {"x": ["A", "B", None, "A", "B"]},
    "number": {"x": ["$1,200", "13", None, "7.5", "7.5"]},
    "flag": {"x": ["yes", "f", None, "no", "t"]},
    "text": {"x": ["A sunny flat", "sunny side", None, "flat", "flat"]},
    "multi": {"x": ["pool|wifi", '["wifi"]', None, "pool", "wifi"]},
    "place": {"latitude": ["50", "51", None, "52", "53"], "longitude": ["9", "10", "11", "12", "13"]},
}


def read(name):
    """The listings table of the kind's cells."""
    kind = type_of(name)
    raw = {column: pd.Series(cells) for column, cells in FILES[name].items()}
    if not kind.has_column:
        return pd.DataFrame({column: cells.astype(float) for column, cells in raw.items()})
    return pd.DataFrame({column: kind.read(cells)[0] for column, cells in raw.items()})


@pytest.mark.parametrize("name", FILES)
def test_a_type_reads_speaks_and_tokenizes_what_is_there(name):
    kind, listings = type_of(name), read(name)
    assert kind.missing(listings, "x").tolist() == [False, False, True, False, False]
    words = kind.words(listings, "x")
    assert (
        words[2] == "" and all(words[row] for row in (0, 1, 3, 4)) and 1 < kind.distinct(listings, "x") <= 4
    )
    for column, cells in FILES[name].items():  # what is typed is what the file holds
        assert all(
            kind.parse(cell, "X", column) == listings[column][row] for row, cell in enumerate(cells) if cell
        )
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
    columns = list(kind.columns("x"))
    nothing = listings.assign(**{one: listings[one].where(listings[one].isna()) for one in columns})
    assert all(len(tokens.listing) == 0 for tokens in kind.tokenize(entry, nothing))


@pytest.mark.parametrize(
    ("kind", "value", "column", "says"),
    [("number", "ten", "x", "give a number"), ("flag", "perhaps", "x", "give yes or no"), ("place", "91", "latitude", "give degrees up to 90")],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(kind, value, column, says):
    with pytest.raises(VibesError, match=f"X is '{value}'; {says}"):
        type_of(kind).parse(value, "X", column)


@pytest.mark.parametrize(
    ("name", "asked", "rows"),
    [("category", ["a"], [0, 3]), ("category", ["b", "C"], [1, 4]), ("number", ["1200", "13.0"], [0, 1]), ("flag", ["Yes"], [0, 4]),
     ("text", ["SUNNY", "nothing"], [0, 1]), ("multi", ["Wifi"], [0, 1, 4])],
)  # fmt: skip
def test_a_condition_is_met_by_the_values_it_asks_for_and_by_no_missing_one(name, asked, rows):
    kind, listings = type_of(name), read(name)
    found = kind.meets(listings["x"], [kind.parse_condition(part) for part in asked])
    assert found.dtype == bool and np.flatnonzero(found).tolist() == rows


@pytest.mark.parametrize("name", [name for name in FILES if type_of(name).has_traits])
def test_groups_are_told_apart_by_values_in_words(name):
    kind, known = type_of(name), read(name)["x"].dropna()
    label, words, place, code = kind.traits("Label", known)
    assert label == "Label" and len(place) == len(code) and code.max() < len(words)
    assert set(place) <= set(known.index) and all(value and piece for value, piece in words)


@pytest.mark.parametrize(
    ("low", "pieces"), [(1990, ["built until 1999", "built from 2010"]), (0, ["low built", "high built"])]
)
def test_the_thirds_of_a_number_are_traits_of_groups(low, pieces):
    words = type_of("number").traits("Built", pd.Series(np.arange(30.0) + low))[1]
    assert [piece for _, piece in words] == pieces


def test_a_kind_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(ValidationError, match=r"Input should be .*'category'.* or "):
        AttributeConfig(kind="colour")


def test_a_kind_without_a_column_of_its_own_is_refused_for_a_column(tmp_path):
    (tmp_path / "listings.csv").write_text("listing_id,spot\na,1\n")
    MarketConfig(attributes={"spot": AttributeConfig(kind="place")}).save(tmp_path / "market.toml")
    with pytest.raises(VibesError, match="column spot: a location is read from the columns latitude"):
        Market.open(tmp_path)


@pytest.mark.slow
def test_kinds_need_no_torch():
    code = "import sys; from listing_vibes.market.attribute_types import ATTRIBUTE_TYPES; [ATTRIBUTE_TYPES[n] for n in ATTRIBUTE_TYPES]; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("way", [(20, 0), (-20, 0), (0, 20), (0, -20)])
def test_places_of_another_town_are_outgrown_wherever_that_lies(way):
    rng = np.random.default_rng(0)
    kind = type_of("place")
    home = pd.DataFrame({"latitude": rng.normal(50, 0.1, 200), "longitude": rng.normal(9, 0.1, 200)})
    entry = kind.fit(home, "place", 3, 1)
    for share, told in ((0.0, 0.0), (0.4, 0.0), (0.6, 0.6)):  # most are elsewhere, or it still serves
        gone = np.arange(200) < 200 * share
        there = home + np.outer(gone, way)
        assert kind.outgrown(entry, there) == pytest.approx(told)
        there.loc[199] = np.nan
        assert kind.outgrown(entry, there) == pytest.approx(told * 200 / 199)
