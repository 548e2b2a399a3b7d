"""What distinguishes groups of listings: attributes and what photos show, by coverage and lift, and a name.

Users give names, too, which are kept in the run, or in the user's cache if the run is read-only. Such a name belongs to the most
typical listing of its group at that time, so that it stays there when the map is drawn again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import BaseModel, TypeAdapter, ValidationError

from listing_vibes.errors import VibesError, printable
from listing_vibes.features.photos.looks import Looks
from listing_vibes.insight.map.tones import LABEL as TONES
from listing_vibes.insight.map.tones import coded_tones
from listing_vibes.market.attribute_types import Coded, type_of
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run

if TYPE_CHECKING:
    from scipy import sparse  # a slow import that the first page does not need
from listing_vibes.words import capitalize

#: Minimum coverage of a group by a trait, and minimum lift over all others.
COVERAGE, LIFT = 0.4, 1.25
#: Traits are selected on one half of the listings, up to this number, and confirmed on the other half by coverage, lift and this
#: number of standard errors of the difference. Chance findings of one half are rarely confirmed by the other.
CANDIDATES, NAME_COVERAGE, NAME_LIFT, ERRORS = 6, 0.6, 2.0, 3.0
PARTS = 2  # traits of a name, unless another group has the same
LOOKS, PLAIN = "Seen in photos", 0.1  # label of photo classes, and the minimum probability of one in a photo


@dataclass(frozen=True)
class Trait:
    """A value that is common in a group and less common in others."""

    label: str  # of the attribute
    text: str  # the value in words
    piece: str  # both, as part of a name
    inside: float  # share of the group with the value
    outside: float  # share of all others with the value

    @property
    def order(self) -> int:
        """Return its place in a name: what a listing is, such as rented, comes before how much of something it has, and looks last."""
        return 2 if self.label in (TONES, LOOKS) else int(self.text.lower() != self.piece.lower())


@dataclass(frozen=True)
class Portrait:
    """A group: its name and its traits, the most distinctive first."""

    name: str
    traits: list[Trait] = field(default_factory=list)
    is_named: bool = True  # False: no trait distinguishes it, and the name is a number


@dataclass(frozen=True, eq=False)
class ListingValues:
    """Which of V values n listings have."""

    #: Label of the attribute, the value in words, and both as part of a name.
    words: list[tuple[str, str, str]]
    has: sparse.csr_matrix  # (n, V) 0 or 1
    #: Labels whose values describe a group and do not name it: photo classes, which are often wrong, and members of sets, which are many.
    no_names: frozenset[str] = frozenset({LOOKS})

    @classmethod
    def of(cls, coded: Sequence[Coded], count: int, no_names: Iterable[str] = ()) -> ListingValues:
        """Return the values of `count` listings; a repeated value counts once."""
        from scipy import sparse

        parts = [
            sparse.csr_matrix((np.ones(len(listing), np.int32), (listing, code)), (count, len(given)))
            for _, given, listing, code in coded
        ]
        has = sparse.hstack(parts, "csr") if parts else sparse.csr_matrix((count, 0), dtype=np.int32)
        has.data[:] = 1
        words = [
            (label, printable(text), printable(piece))
            for label, given, _, _ in coded
            for text, piece in given
        ]
        return cls(words, has, frozenset({LOOKS, *no_names}))

    def take(self, rows: np.ndarray) -> ListingValues:
        """Return the values of the listings at `rows` (m,), which may repeat."""
        return ListingValues(self.words, self.has[rows], self.no_names)


def portraits(values: ListingValues, groups: np.ndarray) -> list[Portrait]:
    """Return a portrait of each group 0..G-1; `groups` (n,) has that of each listing, -1 for none.

    Names are unique. A group without a confirmed trait, or with those of a larger group only, is named by its number.
    """
    count = int(groups.max(initial=-1)) + 1
    if not count:
        return []
    is_held_out = np.random.default_rng(0).permutation(len(groups)) % 2 == 1
    inside, outside = _shares(values.has, groups, count)

    def make_traits(group: int, order: np.ndarray) -> list[Trait]:
        return [
            Trait(*values.words[int(at)], float(inside[group, at]), float(outside[group, at])) for at in order
        ]

    traits = [make_traits(*item) for item in enumerate(_rank(inside, outside, COVERAGE, LIFT))]
    named = [
        [trait for trait in make_traits(*item) if trait.label not in values.no_names]
        for item in enumerate(_confirmed(values.has, groups, count, is_held_out))
    ]
    names = _names(named)
    joined = [", ".join(parts) for parts in names]
    full = [capitalize(name) or f"Group {number}" for number, name in enumerate(joined, 1)]
    return [Portrait(*parts) for parts in zip(full, traits, map(bool, names), strict=True)]


def most_typical(vectors: np.ndarray, k: int) -> np.ndarray:
    """Return the `k` of a group's L2-normalized `vectors` (m, d) that are nearest to their mean."""
    return np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:k]


def attribute_values(
    market: Market, rows: np.ndarray, tones: pd.DataFrame | None = None, looks: Looks | None = None
) -> ListingValues:
    """Return the values of every attribute of the listings `rows` (n,) of the market, with the `tones` of their covers (n rows) and
    the classes of all photos of the market.
    """
    coded: list[Coded] = [] if tones is None else coded_tones(tones)
    if looks is not None:
        coded.append(coded_looks(looks, market, rows))
    attributes = []
    for item in market.attributes:
        if not type_of(item.kind).has_traits or item.name == market.title:
            continue
        values = market.listings[item.name].iloc[rows].reset_index(drop=True).dropna()
        if len(values):
            attributes.append(type_of(item.kind).traits(item.label, values))
    sets = [item.label for item in market.attributes if item.shown_as == "multi"]
    return ListingValues.of([*attributes, *coded], len(rows), sets)


def coded_looks(looks: Looks, market: Market, rows: np.ndarray) -> Coded:
    """Return the classes with a probability of at least `PLAIN` in a photo of the listings `rows` (n,), once per listing.

    `looks` are of all photos of `market`, in its order.
    """
    place = np.full(len(market.listings), -1)
    place[rows] = np.arange(len(rows))
    owner = place[market.photos[C.LISTING].map(market.listing_row).to_numpy(np.int64)]  # (P,)
    photo, top = np.nonzero((looks.shares >= PLAIN) & (owner >= 0)[:, None])
    seen = np.unique(np.stack([owner[photo], looks.classes[photo, top]], axis=1), axis=0)  # (n', 2)
    given = [(str(name), f"{name} in photos") for name in looks.names]
    return LOOKS, given, seen[:, 0], seen[:, 1]


def _shares(has: sparse.csr_matrix, groups: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each group and value (G, V) the share of its listings with the value, and the share of all others."""
    from scipy import sparse

    member = np.flatnonzero(groups >= 0)
    shape = (count, len(groups))
    belongs = sparse.csr_matrix((np.ones(len(member), np.int32), (groups[member], member)), shape)
    size = np.bincount(groups[member], minlength=count)[:, None]  # (G, 1)
    having, total = (belongs @ has).toarray(), np.asarray(has.sum(axis=0))
    return having / np.maximum(size, 1), (total - having) / np.maximum(len(groups) - size, 1)


def _confirmed(
    has: sparse.csr_matrix, groups: np.ndarray, count: int, is_held_out: np.ndarray
) -> list[np.ndarray]:
    """Return the values of each group that are distinctive in one half of the listings, and significantly so in the other."""
    seen = ~is_held_out
    candidates = _rank(*_shares(has[seen], groups[seen], count), NAME_COVERAGE, NAME_LIFT)
    inside, outside = _shares(has[is_held_out], groups[is_held_out], count)
    size = np.bincount(groups[is_held_out & (groups >= 0)], minlength=count)[:, None]  # (G, 1)
    others = np.maximum(is_held_out.sum() - size, 1)
    pooled = (inside * size + outside * others) / (size + others)
    error = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(size, 1) + 1 / others))
    confirmed = (inside >= NAME_COVERAGE) & (inside >= NAME_LIFT * outside)
    confirmed &= inside - outside >= ERRORS * error
    first = [order[:CANDIDATES] for order in candidates]
    return [order[confirmed[group, order]] for group, order in enumerate(first)]


def _rank(inside: np.ndarray, outside: np.ndarray, coverage: float, lift: float) -> list[np.ndarray]:
    """Return the distinctive values of each group, the most distinctive first."""
    weight = inside * np.log(np.maximum(inside, 1e-9) / np.maximum(outside, 1e-9))
    holds = (inside >= coverage) & (inside >= lift * outside)
    return [
        order[holds[group, order]] for group, order in enumerate(np.argsort(-weight, axis=1, kind="stable"))
    ]


def _names(traits: Sequence[Sequence[Trait]]) -> list[list[str]]:
    """Return the parts of each group's name: its two most distinctive traits, at most one per attribute, see `Trait.order`.

    A group with the traits of another one before it gets as many more as tell them apart; none if it has no more.
    """
    names: list[list[str]] = []
    for mine in traits:
        by_label: dict[str, Trait] = {}
        for trait in mine:
            by_label.setdefault(trait.label, trait)
        first = list(by_label.values())
        ordered = (
            sorted(first[:length], key=lambda trait: trait.order)
            for length in range(PARTS, max(PARTS, len(first)) + 1)
        )
        longer = ([_spoken(trait.piece) for trait in parts] for parts in ordered)
        names.append(next((parts for parts in longer if set(parts) not in map(set, names)), []))
    return names


def _spoken(piece: str) -> str:
    """Return a part of a name as people write it; registers write in capitals only."""
    return piece.title() if piece.isupper() and len(piece) > len("APT.") else piece


FILE = "group_names.json"
LONGEST = 60  # characters of a name


class GroupName(BaseModel):
    """A name, and the listing whose group has it."""

    space: str
    name: str
    listing: str


_NAMES = TypeAdapter(list[GroupName])


def given_names(run: Run, space: str, ids: Sequence[str] | np.ndarray, cluster: np.ndarray) -> dict[int, str]:
    """Return the names that users gave, by group, where the listings `ids` (n,) of the map are in the groups `cluster` (n,)."""
    group_of = dict(zip(ids, cluster.tolist(), strict=True))
    return {group_of.get(item.listing, -1): item.name for item in _load(run) if item.space == space}


def save_name(run: Run, space: str, members: Sequence[str] | np.ndarray, name: str) -> None:
    """Store the name of the group with the listings `members`, the most typical first; an empty name removes it.

    Raises:
        VibesError: the name is too long, or the file cannot be written.
    """
    name = " ".join(printable(name).split())
    if len(name) > LONGEST:
        raise VibesError(f"The name has {len(name)} characters; give at most {LONGEST}.")
    listings = [str(member) for member in members]
    stored = [item for item in _load(run) if item.space != space or item.listing not in listings]
    if name:
        stored.append(GroupName(space=space, name=name, listing=listings[0]))
    write_text(run_cache(run.path) / FILE, _NAMES.dump_json(stored).decode())


def _load(run: Run) -> list[GroupName]:
    """Return the stored names; none if the file is missing or damaged."""
    try:
        return _NAMES.validate_json(run_cache_file(run.path, FILE).read_bytes())
    except (OSError, ValidationError):
        return []
