"""What people read of a market: titles, photos, and values with labels and units; a missing value is "—"."""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import printable
from listing_vibes.market.amounts import MISSING, display_unit, is_currency, number, with_unit, years_of
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import identity, is_code
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.words import capitalize

HEADLINE = 3  # attributes on a card
LONG_TEXT = 400
_ID = re.compile(r"\d{7,}|[0-9a-f-]{16,}", re.IGNORECASE)  # six digits may be a postal code


def place(latitude: float, longitude: float) -> str:
    """Format coordinates with two decimals (about a kilometer) and hemispheres instead of signs."""
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return MISSING
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.2f}° {north}, {abs(longitude):.2f}° {east}"


def distance(kilometers: float) -> str:
    """Format a distance, in meters below one kilometer."""
    if not math.isfinite(kilometers):
        return MISSING
    if kilometers < 0.995:
        return f"{round(kilometers * 1000, -1):.0f} m"
    return f"{kilometers:.1f} km" if kilometers < 10 else f"{kilometers:,.0f} km"


def duration(seconds: float) -> str:
    """Format a duration: `45 s`, `3 min`, `1 h 5 min`."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def ordinal(number: int) -> str:
    """Format an ordinal: `1st`, `22nd`, `113th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def moment(nanoseconds: int, clock: bool = False) -> str:
    """Format a UTC moment as a day, with the time of day if `clock`."""
    when = pd.Timestamp(nanoseconds, unit="ns", tz="UTC")
    day = f"{when.day} {when:%b %Y}"
    return f"{day}, {when:%H:%M}" if clock else day


def words(name: str) -> str:
    """Format a name in the data for display: `add_to_cart` becomes `Add to cart`."""
    return capitalize(printable(name.replace("_", " ")))


def shorten(text: str, length: int) -> str:
    """Return the first `length` characters for display, cut at a word, with an ellipsis."""
    text = printable(text[: 8 * length])
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[length // 2 :] else cut).rstrip(" ,;.–-") + "…"


@dataclass(frozen=True, eq=False)
class MarketView:
    """The display view of a market; a listing is identified by its row in `market.listings`."""

    market: Market
    load_log: Callable[[], EventLog]

    def __len__(self) -> int:
        return len(self.market.listings)

    @cached_property
    def ids(self) -> list[str]:
        """Listing ids by row."""
        ids: list[str] = self.market.listings[C.LISTING].to_numpy(object).tolist()
        return ids

    @cached_property
    def log(self) -> EventLog:
        """The events as arrays."""
        return self.load_log()

    @property
    def has_photos(self) -> bool:
        """True where at least one listing has a photo."""
        return len(self.market.photos) > 0

    @property
    def has_events(self) -> bool:
        """True where the market has at least one event."""
        return len(self.log) > 0

    # titles

    def title(self, row: int) -> str:
        """Return the listing's title, or a name from its id."""
        called = self.market.title_text(row)
        return identity(self.ids[row], "Listing", row) if called is None else shorten(called, 90)

    def user_name(self, row: int) -> str:
        """Return the display name of a user."""
        return identity(self.log.users[row], "User", row)

    # photos

    @cached_property
    def _photos(self) -> tuple[np.ndarray, list[str]]:
        rows = self.market.rows(self.market.photos[C.LISTING])  # (P,)
        order = np.argsort(rows, kind="stable")
        paths = self.market.photos[C.PATH].to_numpy()[order].tolist()
        return np.searchsorted(rows[order], np.arange(len(self) + 1)), paths

    def photos(self, row: int) -> list[str]:
        """Return the paths of a listing's photos relative to the market, the cover first, without those whose file is missing."""
        start, paths = self._photos
        return [
            path
            for path in paths[int(start[row]) : int(start[row + 1])]
            if os.path.isfile(os.path.join(self.market.path, path))
        ]

    # attributes

    @cached_property
    def attributes(self) -> list[Attribute]:
        """The attributes on cards and in tables: all except the title."""
        return [item for item in self.market.attributes if item.name != self.market.title]

    def raw(self, row: int, attribute: Attribute) -> Any:
        """Return the value in the table; None if it is missing."""
        if attribute.shown_as == "place":
            place = tuple(self._cell(row, name) for name in (C.LATITUDE, C.LONGITUDE))
            return None if None in place else place
        return self._cell(row, attribute.name)

    def _cell(self, row: int, name: str) -> Any:
        value = self.market.listings[name].iat[row]
        if isinstance(value, list):
            return value
        return None if pd.isna(value) else value.item() if isinstance(value, np.generic) else value

    def text(self, row: int, attribute: Attribute) -> str:
        """Return a listing's value, formatted for display."""
        return self.write(attribute, self.raw(row, attribute))

    def write(self, attribute: Attribute, value: Any) -> str:
        """Format a value of an attribute for display; "—" if it is missing."""
        if value is None or (isinstance(value, float) and value != value):
            return MISSING
        match attribute.shown_as:
            case "number":
                return number(float(value), self.unit(attribute), grouped=not self.is_year(attribute))
            case "flag":
                return "Yes" if value else "No"
            case "multi":
                return printable(", ".join(value)) if value else "None"
            case "place":
                return place(*value)
        return with_unit(shorten(self.word(attribute, value), LONG_TEXT), attribute.unit)

    def word(self, attribute: Attribute, value: object) -> str:
        """Format a value of a category or text for display; an id is shown as its rank by frequency."""
        text = str(value)
        place = self._numbers.get(attribute.name, {}).get(text)
        return printable(text) if place is None else f"no. {place:,}"

    def is_id(self, attribute: Attribute) -> bool:
        """Return True for a category whose values are mostly ids, such as a host's, which have no meaning for a reader."""
        return attribute.name in self._numbers

    @cached_property
    def _numbers(self) -> dict[str, dict[str, int]]:
        """The numbers of the values of each category of ids."""
        values = {}
        for item in self.attributes:
            if item.shown_as == "category":
                often = self.market.listings[item.name].dropna().astype(str).value_counts().index
                if len(often) and 2 * sum(map(bool, map(_ID.fullmatch, often))) >= len(often):
                    values[item.name] = {value: place for place, value in enumerate(often, 1)}
        return values

    def unit(self, attribute: Attribute) -> str:
        """Return the attribute's unit; `currency` means that of the market."""
        return display_unit(self.market, attribute)

    def is_year(self, attribute: Attribute) -> bool:
        """Return True for a number without a unit whose values are all years."""
        return attribute.name in years_of(self.market)

    @cached_property
    def codes(self) -> set[str]:
        """Names of the categories whose values are codes, see `is_code`."""
        categories = [item.name for item in self.attributes if item.shown_as == "category"]
        return {name for name in categories if is_code(self.market.listings[name])}

    @cached_property
    def headline(self) -> list[Attribute]:
        """The attributes of a card: a price first, then short ones that most listings have, then codes if too few remain."""
        priced = [item for item in self.attributes if is_currency(self.unit(item))][:1]
        available = {
            item.name: float(self.market.listings[item.name].notna().mean())
            for item in self.attributes
            if item.shown_as != "place"
        }
        short = [
            item
            for item in self.attributes
            if item.shown_as in ("number", "category") and available[item.name] >= 0.5
            and item not in priced
        ]  # fmt: skip
        codes = [item for item in short if item.name in self.codes]
        words = [item for item in short if item not in codes]
        if len(words) + len(priced) < HEADLINE:
            words += [item for item in self.attributes if item.shown_as == "multi"]
        short = words + codes
        return (priced + short)[:HEADLINE]

    def facts(self, row: int, attributes: list[Attribute] | None = None) -> list[tuple[str, str]]:
        """Return (label, value) of a listing's attributes, with "—" for missing values."""
        chosen = self.attributes if attributes is None else attributes
        return [(item.label, self.text(row, item)) for item in chosen]


@cached_per_object
def view_of(run: Run) -> MarketView:
    """Return the display view of a run's market."""
    return MarketView(run.market, lambda: run.log)
