"""A draft of a listing: its values and photos, from nothing or from a listing of the market; and one change at a time of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.launch.comparable import comparable
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.photo_check import undecodable
from listing_vibes.run.newcomers import read_cell
from listing_vibes.run.thumbs import originals

#: Of numbers: shares of live listings that are below the values tried, and steps from the value there is.
SHARES, STEPS = (0.1, 0.25, 0.5, 0.75, 0.9), (0.8, 0.9, 1.1, 1.2)
OWN = ("like", "photos", "cover")  # entries of a draft that are no attributes
VALUES = 12  # of a category, or members of a set, that are tried, the most common first


@dataclass(frozen=True)
class Draft:
    """A listing that may be launched.

    Attributes:
        cells: values by the name of an attribute; a place is `latitude` and `longitude`.
        photos: contents of image files, the cover first.
        like: the listing that it was made from, if any.
    """

    cells: Mapping[str, Any]
    photos: tuple[bytes, ...] = field(default=(), repr=False)
    like: str | None = None

    @classmethod
    def of_listing(cls, market: Market, listing: str) -> Draft:
        """The values and photos of a listing of the market."""
        row = market.listings.iloc[market.listing_row[listing]]
        names = [name for item in market.attributes for name in type_of(item.kind).columns(item.name)]
        cells = {name: row[name] for name in names if isinstance(row[name], list) or not pd.isna(row[name])}
        paths = market.photos[C.PATH][market.photos[C.LISTING] == listing].tolist()
        return cls(cells, tuple(content for _, content in originals(market, paths)), listing)

    @classmethod
    def of_file(cls, market: Market, path: Path) -> Draft:
        """What a JSON file says: values by attribute, `photos` (paths from the file), and `like`, a listing to begin with.

        Raises:
            VibesError: the file, a value or a photo cannot be read, it holds no values, or `like` is no listing.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise VibesError(f"Cannot read the listing {path}: {error.strerror}; check the path.") from error
        except (ValueError, RecursionError) as error:
            raise VibesError(f"{path} is no JSON ({error}); mend that place.") from error
        if not isinstance(content, dict):
            raise VibesError(f'{path} holds no listing; write {{"price": 900, "photos": ["cover.jpg"]}}.')
        return cls.of_mapping(market, content, path.parent, str(path))

    @classmethod
    def of_mapping(
        cls, market: Market, content: Mapping[str, Any], folder: Path | None = None, told: str = "The listing"
    ) -> Draft:
        """Values by attribute, `photos` (paths from `folder`), `like`, and `cover` (which photo comes first, from 1); `told`
        begins the sentence of an error.

        Raises:
            VibesError: a value or a photo cannot be read, there is none to be the cover, or `like` is no listing.
        """
        columns = {name: item for item in market.attributes for name in type_of(item.kind).columns(item.name)}
        own = {name: value for name, value in content.items() if name in OWN}
        for name in [name for name in own if name in columns and not _is_own(market, name, own[name])]:
            del own[name]  # a market may have a column of that name
        like, names = own.get("like"), own.get("photos")
        # Read as the table's are, so that changes start from what the model is told; a strange name is refused there.
        cells = {
            name: read_cell(columns[name], name, value) if name in columns else value
            for name, value in content.items()
            if name not in own
        }
        if like is not None and str(like) not in market.listing_row:
            raise VibesError(
                f"{told} has like '{like}', which is no listing of {market.path}; give one, or leave it out."
            )
        begun = cls({}) if like is None else cls.of_listing(market, str(like))
        cells = {name: value for name, value in {**begun.cells, **cells}.items() if value is not None}
        for item in market.attributes:
            parts = type_of(item.kind).columns(item.name)
            missing = [name for name in parts if name not in cells]
            given = [name for name in parts if name in content and name in cells]
            if given and missing:
                raise VibesError(f"{told} has {given[0]} without {missing[0]}; give both, or neither.")
        if names is None:
            return replace(begun, cells=cells)._with_cover(own.get("cover", 1), told)
        if not isinstance(names, list) or not all(isinstance(name, str | Path) for name in names):
            raise VibesError(
                f'{told} has photos that are no list of paths; write ["cover.jpg", "kitchen.jpg"].'
            )
        photos: list[bytes] = []
        for name in names:
            try:
                content_of = ((folder or Path()) / name).read_bytes()
            except (OSError, ValueError) as error:
                raise VibesError(
                    f"{told} has the photo '{name}', which cannot be read; check the path."
                ) from error
            if (problem := undecodable((folder or Path()) / name)) is not None:
                raise VibesError(f"{told} has the photo '{name}', which {problem}; give another file.")
            photos.append(content_of)
        return cls(cells, tuple(photos), begun.like)._with_cover(own.get("cover", 1), told)

    def _with_cover(self, cover: Any, told: str) -> Draft:
        if cover == 1:
            return self
        if not isinstance(cover, int) or not 1 <= cover <= len(self.photos):
            raise VibesError(
                f"{told} has the cover {cover!r} of {len(self.photos)} photos; give its place, from 1."
            )
        at = cover - 1
        return replace(self, photos=(self.photos[at], *self.photos[:at], *self.photos[cover:]))


def _is_own(market: Market, name: str, value: Any) -> bool:
    """Whether the value of an entry that is called as one of `OWN` and as a column of the market is what a draft means by it: a
    position, a listing, or paths."""
    match name:
        case "cover":
            return isinstance(value, int) and not isinstance(value, bool)
        case "like":
            return str(value) in market.listing_row
        case _:
            return isinstance(value, list)


@dataclass(frozen=True)
class Change:
    """One change of one attribute of a draft."""

    attribute: str
    before: Any  # None: not known
    after: Any
    cells: Mapping[str, Any] = field(repr=False)  # of the draft with it


def single_changes(market: Market, draft: Draft, live: np.ndarray) -> Iterator[Change]:
    """Every sensible change of one attribute alone: to values that `live` (L,) listings have, a number to those of `comparable`
    ones, and by a few tenths.

    Titles, texts and places are no values that somebody chooses from, and are left as they are.
    """
    for item in market.attributes:
        if item.name == market.title or item.shown_as in ("text", "place"):
            continue
        counts = live & comparable(market, draft.cells, item.name) if item.shown_as == "number" else live
        column = market.listings[item.name][counts].dropna()
        if not len(column):
            continue
        now = draft.cells.get(item.name)
        for value in _tried(item, column, now):
            if value != now:
                yield Change(item.name, now, value, {**draft.cells, item.name: value})


def _tried(item: Attribute, column: pd.Series, now: Any) -> list[Any]:
    match item.shown_as:
        case "number":
            return _numbers(column.to_numpy(float), now)
        case "flag":
            return [True, False]
        case "multi":
            common = column.explode().dropna().value_counts().index[:VALUES].tolist()
            held = list(now or [])
            return [
                [one for one in held if one != member] if member in held else [*held, member]
                for member in common
            ]
        case _:
            return column.astype(str).value_counts().index[:VALUES].tolist()


def _numbers(known: np.ndarray, now: Any) -> list[float]:
    """Values at `SHARES` of those known and at `STEPS` from the one there is, within what nine tenths of listings have;
    whole ones where all known are."""
    low, high = np.quantile(known, [0.05, 0.95])
    tried = np.quantile(known, SHARES).tolist()
    if isinstance(now, int | float) and not isinstance(now, bool):
        tried += [step * float(now) for step in STEPS if low <= step * float(now) <= high]
    whole = bool((known % 1 == 0).all())
    return sorted({float(round(value)) if whole else float(f"{value:.4g}") for value in tried})
