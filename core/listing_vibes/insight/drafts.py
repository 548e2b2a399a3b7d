"""Draft of a listing: its values and photos, new or based on a listing of the market; its code; and single changes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_given_json
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import decoding_problem, originals
from listing_vibes.run.newcomers import parse_cell

#: Values of numbers to try: quantiles of active listings, and relative steps from the current value.
SHARES, STEPS = (0.1, 0.25, 0.5, 0.75, 0.9), (0.8, 0.9, 1.1, 1.2)
#: Entries of a draft that are not attributes; an attribute of such a name is not set by a draft.
ENTRIES = ("like", "photos", "cover")
ENDS = (0.01, 0.99)  # quantiles between which a number is tried
TRIALS = 100  # steps between them
VALUES = 12  # maximum number of values of a category or members of a set to try, the most common first
#: Share of a number's variance (on a logarithmic scale where all are positive) between the values of a category from which these are
#: compared separately; what a category must be for that: at most `VALUES` values, the draft's of at least so many listings.
EXPLAINED, LEAST = 0.8, 10


@dataclass(frozen=True)
class Draft:
    """A draft of a listing."""

    cells: Mapping[str, Any]  # by the name of an attribute; a location is `latitude` and `longitude`
    photos: tuple[bytes, ...] = field(default=(), repr=False)  # contents of image files, the cover first
    like: str | None = None  # the listing that it is based on, if any

    @classmethod
    def of_listing(cls, market: Market, listing: str) -> Draft:
        """Return the values and photos of a listing of the market."""
        row = market.listings.iloc[market.listing_row[listing]]
        names = [name for item in market.attributes for name in type_of(item.kind).columns(item.name)]
        cells = {name: row[name] for name in names if isinstance(row[name], list) or not pd.isna(row[name])}
        paths = market.photos[C.PATH][market.photos[C.LISTING] == listing].tolist()
        return cls(cells, tuple(content for _, content in originals(market.path, paths)), listing)

    @classmethod
    def of_file(cls, market: Market, path: Path) -> Draft:
        """Read a JSON file: values by attribute, `photos` (paths from the file), and `like`, a listing to start from.

        Raises:
            VibesError: the file, a value or a photo cannot be read, it has no values, or `like` is not a listing.
        """
        content = read_given_json(path, "listing")
        if not isinstance(content, dict):
            raise VibesError(f'{path} holds no listing; write {{"price": 900, "photos": ["cover.jpg"]}}.')
        return cls.of_mapping(market, content, path.parent, str(path))

    @classmethod
    def of_mapping(
        cls, market: Market, content: Mapping[str, Any], folder: Path | None = None, name: str = "The listing"
    ) -> Draft:
        """Read values by attribute, `photos` (paths from `folder`), `like`, and `cover` (which photo comes first, from 1); `name`
        is used in error messages.

        Raises:
            VibesError: a value or a photo cannot be read, the cover does not exist, or `like` is not a listing.
        """
        columns = {name: item for item in market.attributes for name in type_of(item.kind).columns(item.name)}
        settings = {key: value for key, value in content.items() if key in ENTRIES}
        like, paths = settings.get("like"), settings.get("photos")
        if like is not None and str(like) not in market.listing_row:
            raise VibesError(
                f"{name} has like '{like}', which is not a listing of {market.path}; give one, or leave it out."
            )
        draft = cls({}) if like is None else cls.of_listing(market, str(like))
        # Parsed like cells of the table, so that changes start from the values that the model reads; unknown names are refused there.
        given = {
            key: parse_cell(columns[key], key, value) if key in columns else value
            for key, value in content.items()
            if key not in settings
        }
        cells = {key: value for key, value in {**draft.cells, **given}.items() if value is not None}
        for item in market.attributes:
            parts = type_of(item.kind).columns(item.name)
            present = [part for part in parts if part in cells]
            if any(part in content for part in present) and len(present) < len(parts):
                raise VibesError(
                    f"{name} has {present[0]} without the rest of {', '.join(parts)}; give all, or none."
                )
        photos = draft.photos if paths is None else _read_photos(paths, folder or Path(), name)
        cover = settings.get("cover", 1)
        if cover != 1 and (not isinstance(cover, int) or not 1 <= cover <= len(photos)):
            raise VibesError(
                f"{name} has the cover {cover!r} of {len(photos)} photos; give its position, from 1."
            )
        return cls(cells, (*photos[cover - 1 : cover], *photos[: cover - 1], *photos[cover:]), draft.like)


def _read_photos(paths: Any, folder: Path, name: str) -> tuple[bytes, ...]:
    if not isinstance(paths, list) or not all(isinstance(path, str | Path) for path in paths):
        raise VibesError(
            f'{name} has photos that are not a list of paths; write ["cover.jpg", "kitchen.jpg"].'
        )
    photos = []
    for path in paths:
        try:
            photos.append((folder / path).read_bytes())
        except (OSError, ValueError) as error:
            raise VibesError(
                f"{name} has the photo '{path}', which cannot be read; check the path."
            ) from error
        if (problem := decoding_problem(folder / path, decode_all=True)) is not None:
            raise VibesError(f"{name} has the photo '{path}', which {problem}; give another file.")
    return tuple(photos)


@dataclass(frozen=True)
class Change:
    """One change of one attribute of a draft."""

    attribute: str
    before: Any  # None: missing
    after: Any
    cells: Mapping[str, Any] = field(repr=False)  # cells of the changed draft


def single_changes(market: Market, draft: Draft, live: np.ndarray) -> Iterator[Change]:
    """Yield every plausible change of one attribute: to values of the `live` (L,) listings, for a number to values of `comparable`
    ones and by relative steps.

    Titles, texts and locations are not changed.
    """
    for item in market.attributes:
        if item.name == market.title or item.shown_as in ("text", "place"):
            continue
        counts = live & comparable(market, draft.cells, item.name) if item.shown_as == "number" else live
        column = market.listings[item.name][counts].dropna()
        before = draft.cells.get(item.name)
        for value in _values(item, column, before) if len(column) else ():
            if value != before:
                yield Change(item.name, before, value, {**draft.cells, item.name: value})


def _values(item: Attribute, column: pd.Series, before: Any) -> list[Any]:
    match item.shown_as:
        case "number":
            return _numbers(column.to_numpy(float), before)
        case "flag":
            return [True, False]
        case "multi":
            members = list(before or [])
            common = column.explode().dropna().value_counts().index[:VALUES]
            return [
                [other for other in members if other != member] if member in members else [*members, member]
                for member in common
            ]
        case _:
            return list(column.astype(str).value_counts().index[:VALUES])


def _numbers(available: np.ndarray, before: Any) -> list[float]:
    """Return the quantiles `SHARES` of the available values and `STEPS` from the current one, within the central nine tenths;
    integers if all available values are.
    """
    low, high = np.quantile(available, [0.05, 0.95])
    tried = np.quantile(available, SHARES).tolist()
    if isinstance(before, int | float) and not isinstance(before, bool):
        tried += [step * float(before) for step in STEPS if low <= step * float(before) <= high]
    is_integer = bool((available % 1 == 0).all())
    return sorted({float(round(value)) if is_integer else float(f"{value:.4g}") for value in tried})


def comparable(market: Market, cells: Mapping[str, Any], number: str) -> np.ndarray:
    """Return the listings (L,) bool to compare a number of a draft with, such as only rents in a market with rents and sales.

    They have the draft's value of the category that explains most of the variance of the number; without such a category, or
    such a value, they are all listings.
    """
    has_number = market.listings[number].notna()
    for item in separating(market, number):
        if isinstance(cells.get(item.name), str):
            is_same = (market.listings[item.name].astype("string") == cells[item.name]).fillna(False)
            if (is_same & has_number).sum() >= LEAST:
                return np.asarray(is_same, bool)
    return np.ones(len(market.listings), bool)


@cached_per_object
def separating(market: Market, number: str) -> tuple[Attribute, ...]:
    """Return the categories between whose values most of the variance of a number is, such as the deal for a price; the most first."""
    values = market.listings[number].astype(float)
    values = np.log(values) if (values.dropna() > 0).all() else values
    values, explained = values.dropna(), {}
    for item in market.attributes:
        if item.shown_as == "category":
            group = market.listings[item.name].astype("string")[values.index]
            if 1 < group.nunique(dropna=False) <= VALUES:
                explained[item] = explained_variance(values, group)
    return tuple(
        sorted(
            (item for item in explained if explained[item] >= EXPLAINED), key=lambda item: -explained[item]
        )
    )


def missing_category(market: Market, cells: Mapping[str, Any], number: str) -> Attribute | None:
    """Return the category without which a number of a draft says little, such as the deal for a price, if the draft lacks it."""
    items = separating(market, number)
    return None if any(cells.get(item.name) for item in items) else next(iter(items), None)


def trial_range(market: Market, cells: Mapping[str, Any], number: str) -> tuple[float, float, float]:
    """Return the lowest and the highest value of a number to try, of comparable listings, and the step for about `TRIALS` values.

    The step is 1, 2 or 5 times a power of ten.
    """
    now = float(cells.get(number, np.nan))
    available = market.listings[number][comparable(market, cells, number)].dropna().to_numpy(float)
    low, high = np.quantile(available, ENDS) if len(available) else (0.0, 1.0)
    rough = max((high - low) / TRIALS, 1e-9)
    unit = 10.0 ** np.floor(np.log10(rough))
    step = float(next(size * unit for size in (1, 2, 5, 10) if size * unit >= rough))
    if is_whole(market, number):
        step = max(step, 1.0)
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step + step * (high == low)
    return float(np.nanmin([low, now])), float(np.nanmax([high, now])), step


@cached_per_object
def is_whole(market: Market, name: str) -> bool:
    """Return whether all numbers of a column are integers."""
    values = market.listings[name].dropna()
    return bool(len(values)) and bool((values % 1 == 0).all())


def explained_variance(values: pd.Series, group: pd.Series) -> float:
    """Return the share of the variance of `values` (n,) between the means of its groups (n,), from 0 to 1."""
    variance = values.var(ddof=0)
    means = values.groupby(group, dropna=False).transform("mean")
    return float(means.var(ddof=0) / variance) if variance > 0 else 0.0


def launch_document(
    market: Market, cells: Mapping[str, Any], like: str | None, photos: bool, cover: int = 1
) -> dict[str, Any]:
    """Return the argument of `launch` for values by attribute that began with the listing `like`, with its `photos`, the `cover`
    (from 1) first, or without. Uploaded photos are not part of it.
    """
    if like is None:
        return dict(cells)
    start = Draft.of_listing(market, like).cells
    changed = {name: value for name, value in cells.items() if name not in start or start[name] != value}
    document = {"like": like, **changed, **{name: None for name in start if name not in cells}}
    if not photos:
        document["photos"] = []
    elif cover > 1:
        document["cover"] = cover
    return document


def launch_code(document: Mapping[str, Any], run: str) -> str:
    """Return Python code that assigns the result of a launch to `result`; `run` is the run's folder."""
    content = pformat(dict(document), width=90, sort_dicts=False)
    return (
        f"from listing_vibes import Run, launch\n\nrun = Run.open({json.dumps(run, ensure_ascii=False)})\n"
        f"result = launch(run, {content})"
    )
