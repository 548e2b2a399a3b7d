"""Evidence: what an insight function returns; page, slide, notebook and command draw this one object, and none computes it.

>>> Evidence(key="recall", url="/compare", headline="Right in 55 of 100 cases").model_dump_json()[:15]
'{"key":"recall"'
"""

from collections.abc import Mapping
from typing import Literal

from listing_vibes.market.documents import Forbidding


class Strip(Forbidding):
    """Listings under a label."""

    listings: tuple[str, ...]
    label: str = ""
    is_ranked: bool = False  # whether their order is a ranking, whose ranks are shown
    hits: tuple[str, ...] = ()  # those that the user interacted with next
    group: int | None = (
        None  # number of the group of the market that they are from, which has a name and a color
    )
    share: float | None = None  # of the market's listings that are in this group
    note: str = ""  # a line below the label


class Bar(Forbidding):
    """A share or a score with its 95 % interval."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: Literal["model", "other", "better", "worse", "plain"] = "other"
    note: str = ""
    method: str = ""  # name of the scorer in the evaluation, where it is of one


class Group(Forbidding):
    """A group of listings on a map."""

    name: str
    size: int
    listing: str  # the most typical listing, whose photo is the label where the name is a number
    is_named: bool = True


class Dots(Forbidding):
    """Listings on a map, on a grid of 1,000 steps with y upwards, and the group of each, -1 for none."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    group: tuple[int, ...]
    groups: tuple[Group, ...]
    near: tuple[tuple[int, int], ...] = ()  # places of the listings that are most like the one at `here`
    here: tuple[int, int] | None = None  # the place of one listing


class Evidence(Forbidding):
    """One statement about a run with what shows it."""

    key: str  # what it is of, such as "similar"
    url: str  # its address in the explorer, from "/" on
    more: str = ""  # the page that shows more of it
    headline: str  # the takeaway, as a sentence without a period
    sentence: str = ""
    population: str = ""  # what percentages are of, such as "3,928 users active in the last 28 days"
    picture: str = ""  # what the picture shows, for those who cannot see it, and how to read it
    lead: str = ""  # the listing that the others are compared with, shown large
    columns: tuple[tuple[Strip, ...], ...] = ()  # strips below each other, in columns side by side
    bars: tuple[Bar, ...] = ()
    as_shares: bool = True  # whether bars are on an axis from 0 to 100 %
    dots: Dots | None = None
    facts: tuple[tuple[str, str], ...] = ()
    is_wall: bool = False  # a column for each group, photos without captions
    #: Of a wall: for each listing, in the order of the strips, the numbers of those that are most like it.
    alike: tuple[tuple[int, ...], ...] = ()
    for_analysts: bool = False  # it needs the words of the field, so a deck shows it at its end

    @property
    def strips(self) -> list[Strip]:
        """Return the strips of all columns."""
        return [strip for column in self.columns for strip in column]

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to draw."""
        return not (self.columns or self.bars or self.dots or self.facts or self.lead)


def what_to_choose(page: str, params: Mapping[str, str]) -> str:
    """Return what to choose on a page before it shows something that can be a slide; empty if it does."""
    is_search = params.get("by") == "look" and params.get("q", "").strip()
    match page:
        case "similar" if "listing" not in params and not is_search:
            return "Choose a listing first"
        case "cold" if params.get("view") == "listings" and "listing" not in params:
            return "Choose a listing first"
        case "users" if not params.get("user"):
            return "Choose a user first"
        case "simulate" if not params.get("h") and not params.get("h2"):
            return "Add a listing to the history first"
    return ""
