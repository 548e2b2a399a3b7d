"""How attributes line up."""

import pytest

from listing_vibes.market.market import Attribute
from listing_vibes_app.app_pages.similar.attribute_match import Match, match


class Shown:
    """As much of a market's view as comparing needs: two values."""

    def __init__(self, mine, theirs):
        self.values = (mine, theirs)

    def raw(self, row, _attribute):
        return self.values[row]

    def text(self, row, _attribute):
        return "—" if self.values[row] is None else str(self.values[row])

    def is_year(self, attribute):
        return attribute.label == "Year"

    def unit(self, attribute):
        return attribute.unit


@pytest.mark.parametrize(
    ("kind", "mine", "theirs", "expected"),
    [
        ("category", "flat", "flat", Match("same", "flat")),
        ("category", "flat", "house", Match("different", "house")),
        ("flag", False, False, Match("same", "False")),
        ("number", 100.0, 100.0, Match("same", "100.0")),
        ("number", 100.0, 92.0, Match("close", "92.0", "−$8")),
        ("number", 0.3, 0.1 + 0.2, Match("same", "0.30000000000000004")),
        ("number", 0.004, 0.0045, Match("different", "0.0045", "+$0.0005")),
        ("number", 100.0, 150.0, Match("different", "150.0", "+$50")),
        ("number", 0.0, 1.0, Match("different", "1.0", "+$1")),
        ("number", None, 1.0, Match("unknown", "1.0")),
        ("category", "flat", None, Match("unknown", "—")),
        ("multi", ["a", "b"], ["b", "a"], Match("same", "b, a")),
        ("multi", ["a", "b", "c"], ["a", "b"], Match("close", "2 of 3 shared", "a, b")),
        ("multi", ["a", "b", "c"], ["a", "d"], Match("different", "1 of 3 shared", "a")),
        ("multi", ["a"], ["d"], Match("different", "d", "none shared")),
        ("multi", [], [], Match("same", "None")),
        ("place", (42.65, -73.76), (42.66, -73.76), Match("close", "1.1 km away")),
        ("place", (42.65, -73.76), (40.71, -74.0), Match("different", "217 km away")),
    ],
)
def test_verdicts(kind, mine, theirs, expected):
    attribute = Attribute("x", kind, "X", "$" if kind == "number" else "")
    assert match(Shown(mine, theirs), attribute, 0, 1) == expected


@pytest.mark.parametrize(("theirs", "verdict"), [(1975.0, "same"), (1980.0, "close"), (1981.0, "different")])
def test_years_are_close_within_five(theirs, verdict):
    assert match(Shown(1975.0, theirs), Attribute("built", "number", "Year"), 0, 1).verdict == verdict
