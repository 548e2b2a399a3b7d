"""A listing whole and without each of its parts, as vectors: they are the same whoever asks, so they are encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from listing_vibes.insight.explain.parts import Part, parts_of, picked
from listing_vibes.run.run import Run

#: Listings of a run whose variants are kept, those that were asked for last.
KEPT = 2_000


@dataclass(frozen=True, eq=False)
class Variants:
    """A listing that has V parts without which something is left of it."""

    parts: tuple[Part, ...]
    vectors: (
        np.ndarray
    )  # (1 + V, d) float32: whole, so that a difference is of one precision, and without each part


@dataclass(eq=False)
class _Kept:
    """The variants of one run's listings by row, the oldest first."""

    by_row: OrderedDict[int, Variants] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)  # pages and requests ask at once


_OF_RUN: WeakKeyDictionary[Run, _Kept] = WeakKeyDictionary()


def variants_of(run: Run, rows: Sequence[int]) -> list[Variants]:
    """The variants of each of the listings `rows`; those that were not asked for lately are encoded together.

    Raises:
        VibesError: see `listing_vibes.insight.explain.parts.parts_of`.
    """
    kept = _OF_RUN.setdefault(run, _Kept())
    with kept.lock:
        found = {row: kept.by_row[row] for row in rows if row in kept.by_row}
    new = [row for row in dict.fromkeys(rows) if row not in found]
    if new:
        found |= zip(new, _encoded(run, new), strict=True)
    with kept.lock:
        for row in rows:
            kept.by_row[row] = found[row]
            kept.by_row.move_to_end(row)
        while len(kept.by_row) > KEPT:
            kept.by_row.popitem(last=False)
    return [found[row] for row in rows]


def to_encode(run: Run, rows: Sequence[int]) -> np.ndarray:
    """(K,) bool: of which of the listings `rows` no variants are kept."""
    kept = _OF_RUN.get(run)
    return np.array([kept is None or row not in kept.by_row for row in rows], bool)


def _encoded(run: Run, rows: Sequence[int]) -> list[Variants]:
    engine = run.engine.in_float32()
    tokens = engine.features.tokens
    chosen: list[tuple[int, np.ndarray]] = []
    parts: list[tuple[Part, ...]] = []
    for row in rows:
        told = {part: its for part, its in parts_of(engine.featurizer, tokens, row).items() if not its.all()}
        chosen.append((row, np.ones(int(tokens.offset[row + 1] - tokens.offset[row]), bool)))
        chosen += [(row, ~its) for its in told.values()]
        parts.append(tuple(told))
    features = replace(engine.features, tokens=picked(tokens, chosen))
    vectors = replace(engine, features=features).encode_listings()
    ends = np.cumsum([1 + len(one) for one in parts])
    return [Variants(own, part) for own, part in zip(parts, np.split(vectors, ends[:-1]), strict=True)]
