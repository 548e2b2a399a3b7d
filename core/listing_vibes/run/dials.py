"""Dials: a direction that somebody makes of "more like these, less like those" and names, along which a list is moved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from urllib.parse import quote, unquote

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.places import NUMBER

SIDE, WEIGHT = re.compile(r"[+-]\S+"), re.compile(f"-?{NUMBER}")
MOST = 10.0
#: How far the covariance of a space is drawn towards a multiple of the identity before the direction is taken: 1 leaves the
#: difference of the two means. In the model's space, where a few directions hold most of what differs (the price, the
#: district), half of it finds a planted vibe best; photos have more directions than listings. See `assets/docs/research/2026-11-30-figures.md`.
SHRUNK = {"model": 0.5, "photos": 1.0, "attributes": 1.0}
FARTHEST = 4.0  # standard deviations


@dataclass(frozen=True)
class Dial:
    """A direction from `less` to `more` (ids of listings) in a space, its name, and how far lists are moved along it.

    Attributes:
        weight: what a listing gains a standard deviation of all listings along the direction, in standard deviations of the
            scores for a query; below 0: the other way.
    """

    name: str
    weight: float
    space: str
    more: tuple[str, ...]
    less: tuple[str, ...]

    def __str__(self) -> str:
        sides = [f"+{quote(one, safe='')}" for one in self.more] + [
            f"-{quote(one, safe='')}" for one in self.less
        ]
        return f"{self.name} {self.weight:g} {self.space} {' '.join(sides)}"


def read_dial(text: str) -> Dial:
    """`lighter 1.5 photos +home-0003 +home-0007 -home-0100`: a name, a weight, a space, and listings; what ids have of spaces
    or semicolons is escaped as in an address (%20, %3B).

    Raises:
        VibesError: it is no dial.
    """
    words = (
        text.split()
    )  # word by word: a pattern of the whole would try each of many spaces as the end of the name
    listings = list(takewhile(SIDE.fullmatch, reversed(words)))[::-1]
    *named, weighed, space = ["", "", *words[: len(words) - len(listings)]]
    name = " ".join(named).strip()
    known = space in SHRUNK and WEIGHT.fullmatch(weighed)
    if not (listings and name and known) or ";" in name:
        raise VibesError(
            f"Option --dial is '{text}'; write for example 'lighter 1.5 photos +MORE-LIKE-THIS -LESS-LIKE-THAT'."
        )
    weight = float(weighed)
    if abs(weight) > MOST:
        raise VibesError(f"Option --dial is '{text}'; give a weight from -{MOST:g} to {MOST:g}.")
    sides: dict[str, list[str]] = {"+": [], "-": []}
    for one in listings:
        sides[one[0]].append(unquote(one[1:]))
    more, less = (tuple(dict.fromkeys(sides[sign])) for sign in "+-")
    return Dial(name, weight, space, more, less)


def position(run: RunFolder, dial: Dial) -> np.ndarray:
    """(L,) float32: where listings lie along a dial, in standard deviations of all from their mean; 0 of one that has nothing in
    its space.

    The direction is that of Fisher's discriminant with a covariance of all listings that is shrunk (Friedman 1989,
    "Regularized Discriminant Analysis"); a side without a listing is the middle of all.

    Raises:
        VibesError: the run has no such space, or a listing is none of it or has nothing there.
    """
    vectors, known = run.vectors(dial.space), run.index(dial.space).known
    there = vectors[known].astype(np.float64)
    middle = there.mean(axis=0)
    more, less = (_mean(run, vectors, known, ids, middle, dial) for ids in (dial.more, dial.less))
    direction = more - less
    if (shrunk := SHRUNK[dial.space]) < 1:
        centred = there - middle
        covariance = centred.T @ centred / len(there)
        even = np.trace(covariance) / len(covariance)
        direction = np.linalg.solve(
            (1 - shrunk) * covariance + shrunk * even * np.eye(len(covariance)), direction
        )
    along = vectors @ direction
    spread = float(along[known].std())
    if not spread:
        return np.zeros(len(vectors), np.float32)
    found = np.clip((along - along[known].mean()) / spread, -FARTHEST, FARTHEST)
    return np.where(known, found, 0).astype(np.float32)


def _mean(
    run: RunFolder,
    vectors: np.ndarray,
    known: np.ndarray,
    ids: tuple[str, ...],
    middle: np.ndarray,
    dial: Dial,
) -> np.ndarray:
    if not ids:
        return middle
    for one in ids:
        if one not in run.listing_row:
            raise VibesError(
                f"The dial '{dial.name}' names '{one}', which is no listing of {run.path}; leave it out."
            )
        if not known[run.listing_row[one]]:
            raise VibesError(
                f"The dial '{dial.name}' names '{one}', which has nothing in the space '{dial.space}'; leave it out."
            )
    mean: np.ndarray = vectors[[run.listing_row[one] for one in ids]].astype(np.float64).mean(axis=0)
    return mean
