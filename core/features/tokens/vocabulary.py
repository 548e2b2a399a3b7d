"""Attribute values to numbers: categories, sets, flags, number bins and map cells, fitted on the training period only.

Numbers get quantile bins for a piecewise-linear encoding (Gorishniy et al. 2022, "On Embeddings for Numerical
Features in Tabular Deep Learning", section 3.2.1). A place becomes a set of three map cells, coarse to fine.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from core.market.columns import Columns as C
from core.market.market import Attribute

PLACE_GRIDS = (4, 8, 16)  # cells a side, at quantiles of the training listings' coordinates
MAX_WORDS = 4000  # of a text attribute or a set
#: A category value outside the vocabulary falls into one of these, so that two listings of one new seller still match.
UNSEEN_BUCKETS = 32


class AttributeVocabulary(BaseModel):
    """What one attribute's values become; ids are global, 0 is "no value"."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Literal["category", "number", "flag", "text", "multi", "place"]
    label: str = ""  # word pieces: what names the attribute in a listing's words
    first: int = 0  # id of the first value; then in the order of `values`
    values: list[str] = []  # known values: categories, members of a set, words
    edges: list[float] = []  # number: ascending quantile edges, n + 1 for n bins
    grids: list[list[list[float]]] = []  # place: for each grid the inner latitude and longitude edges
    buckets: int = 0  # ids after the values, for unseen ones

    @property
    def size(self) -> int:
        """How many ids the attribute takes."""
        if self.kind == "number":
            return max(len(self.edges) - 1, 0)
        if self.kind == "place":
            return sum((len(lat) + 1) * (len(lon) + 1) for lat, lon in self.grids)
        return len(self.values) + self.buckets


class Vocabulary(BaseModel):
    """The vocabularies of all attributes, of the actions and the duration buckets, and all else that sizes a model."""

    model_config = ConfigDict(extra="forbid")

    attributes: list[AttributeVocabulary]
    actions: list[str] = []
    duration_edges: list[float] = []  # inner quantile edges, seconds
    size: int = 1  # ids of the attributes, or of the word pieces; 0 included
    pieces: list[
        str
    ] = []  # word-piece tokenisation: the piece of id 1, 2, ...; the first stands for unknown ones
    photo_views: int = 1  # photo encoders with tokens, and a linear layer, of their own
    text_views: int = 1  # likewise
    photo_start: Literal["identity", "random"] = "identity"

    @property
    def total(self) -> int:
        """All ids: those of the attributes (or word pieces), of the actions and of the duration buckets."""
        return self.size + len(self.actions) + len(self.duration_edges) + 1

    def attribute(self, name: str) -> AttributeVocabulary | None:
        """The vocabulary of one attribute."""
        return next((entry for entry in self.attributes if entry.name == name), None)


def fit_vocabulary(
    listings: pd.DataFrame,
    attributes: list[Attribute],
    rows: np.ndarray,
    actions: list[str],
    durations: np.ndarray,
    bins: int = 24,
    min_count: int = 2,
    buckets: int = 8,
) -> Vocabulary:
    """Fit on the listings `rows` (n,) and on the training events' `durations` (seconds, NaN unknown)."""
    known = listings.iloc[rows]
    entries, following = [], 1
    for attribute in attributes:
        entry = _fit_one(known, attribute, bins, min_count)
        entry.first = following
        following += entry.size
        entries.append(entry)
    edges = duration_edges(durations, buckets)
    return Vocabulary(attributes=entries, actions=actions, duration_edges=edges, size=following)


def duration_edges(durations: np.ndarray, buckets: int) -> list[float]:
    """Inner edges (at most `buckets` - 1, ascending) of quantile buckets of durations (seconds, NaN unknown)."""
    durations = durations[np.isfinite(durations)]
    if not len(durations):
        return []
    return np.unique(np.quantile(durations, np.linspace(0, 1, buckets + 1)[1:-1])).tolist()


def _fit_one(known: pd.DataFrame, attribute: Attribute, bins: int, min_count: int) -> AttributeVocabulary:
    name, kind = attribute.name, attribute.kind
    if kind == "place":
        return AttributeVocabulary(name=name, kind=kind, grids=_grids(known))
    column = known[name]
    if kind == "number":
        numbers = column.dropna().to_numpy(float)
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1))) if len(numbers) else np.empty(0)
        if len(edges) == 1:
            edges = np.array([edges[0], np.nextafter(edges[0], np.inf)])
        return AttributeVocabulary(name=name, kind=kind, edges=edges.tolist())
    if kind == "flag":
        return AttributeVocabulary(name=name, kind=kind, values=["no", "yes"])
    if kind == "category":
        counts = Counter(column.dropna())
        kept = [value for value, count in _by_count(counts) if count >= min_count]
        return AttributeVocabulary(name=name, kind=kind, values=kept, buckets=UNSEEN_BUCKETS)
    members = (words(text) for text in column.dropna()) if kind == "text" else column.dropna()
    counts = Counter(member for cell in members for member in set(cell))
    kept = [value for value, count in _by_count(counts) if min_count <= count][:MAX_WORDS]
    return AttributeVocabulary(name=name, kind=kind, values=kept)


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _grids(known: pd.DataFrame) -> list[list[list[float]]]:
    grids = []
    for cells in PLACE_GRIDS:
        inner = np.linspace(0, 1, cells + 1)[1:-1]
        axes = (known[name].dropna().to_numpy(float) for name in (C.LATITUDE, C.LONGITUDE))
        grids.append([np.quantile(axis, inner).tolist() if len(axis) else [] for axis in axes])
    return grids


def words(text: str) -> list[str]:
    """Lower-case words of a text, punctuation stripped; numbers stay."""
    cleaned = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return cleaned.split()


def category_ids(entry: AttributeVocabulary, column: pd.Series) -> np.ndarray:
    """(L,) int32 value ids of a category or flag column, 0 where missing; unseen values share hashed buckets."""
    known = {value: entry.first + position for position, value in enumerate(entry.values)}

    def lookup(value: object) -> int:
        if pd.isna(value):
            return 0
        text = ("yes" if value else "no") if entry.kind == "flag" else str(value)
        found = known.get(text)
        if found is None and entry.buckets:
            digest = hashlib.blake2b(f"{entry.name}={text}".encode(), digest_size=4).digest()
            return entry.first + len(entry.values) + int.from_bytes(digest) % entry.buckets
        return found or 0

    return np.array([lookup(value) for value in column], np.int32)


def number_bins(entry: AttributeVocabulary, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bins (L,) int32 (0-based, -1 missing) and the fraction (L,) float32 of the way through the bin, in [0, 1]."""
    if entry.size == 0:
        return np.full(len(numbers), -1, np.int32), np.zeros(len(numbers), np.float32)
    edges = np.asarray(entry.edges)
    known = np.isfinite(numbers)
    clipped = np.clip(np.where(known, numbers, edges[0]), edges[0], edges[-1])
    bins = np.clip(np.searchsorted(edges, clipped, side="right") - 1, 0, entry.size - 1)
    fraction = (clipped - edges[bins]) / (edges[bins + 1] - edges[bins])
    return np.where(known, bins, -1).astype(np.int32), np.where(known, fraction, 0).astype(np.float32)


def member_ids(entry: AttributeVocabulary, cells: Iterable[object]) -> list[list[int]]:
    """Value ids of the known members of each set or text; empty where there is none."""
    known = {value: entry.first + position for position, value in enumerate(entry.values)}
    found = []
    for cell in cells:
        if isinstance(cell, str):
            cell = words(cell)
        elif not isinstance(cell, list | tuple | np.ndarray):
            cell = []
        found.append([known[member] for member in dict.fromkeys(cell) if member in known])
    return found


def place_ids(entry: AttributeVocabulary, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """(L, grids) int32 ids of the map cells, coarse to fine; 0 where the place is unknown."""
    known = np.isfinite(latitude) & np.isfinite(longitude)
    columns, following = [], entry.first
    for lat_edges, lon_edges in entry.grids:
        row = np.searchsorted(lat_edges, np.nan_to_num(latitude))
        column = np.searchsorted(lon_edges, np.nan_to_num(longitude))
        columns.append(np.where(known, following + row * (len(lon_edges) + 1) + column, 0))
        following += (len(lat_edges) + 1) * (len(lon_edges) + 1)
    return np.stack(columns, axis=1).astype(np.int32)
