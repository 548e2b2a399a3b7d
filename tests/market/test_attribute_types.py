"""Every type of attribute reads, shows, filters and tokenizes its values."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import type_of

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
        ("Price", 0, ["low price", "high price"]),
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
