"""Which listings a step scores: encoded with gradient or taken from the bank, positives and negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue
from listing_vibes.training.examples import Examples, active_mask, exclusions


@dataclass(frozen=True, eq=False)
class Candidates:
    """C listings, sorted, that one softmax compares; all are negatives of whoever has them for no positive."""

    listing: np.ndarray  # (C,) listing rows
    positive: np.ndarray  # (C,) bool: a positive of some example
    bank_rows: np.ndarray | None  # (C,) places in the bank; None: encoded with gradient
    drawn: float  # share of the listings that are no positives, which were drawn

    def place_of(self, listings: int) -> np.ndarray:
        """Return (L,) the column of each positive, -1 elsewhere."""
        place = np.full(listings, -1, np.int32)
        place[self.listing[self.positive]] = np.flatnonzero(self.positive).astype(np.int32)
        return place


def fresh_candidates(
    positive: np.ndarray, warm: np.ndarray, fresh: int, rng: np.random.Generator
) -> Candidates:
    """Return the positives (E, P) (-1: none) of a step and `fresh` further listings of `warm` (W,), sorted; with gradient."""
    own = np.unique(positive[positive >= 0])
    count = min(fresh, len(warm))
    listing = np.union1d(own, rng.choice(warm, count, replace=False))
    return Candidates(listing, np.isin(listing, own), None, count / len(warm))


def bank_candidates(
    positive: np.ndarray, warm: np.ndarray, size: int, rng: np.random.Generator
) -> Candidates:
    """Return the positives (E, P) of a step and further listings of the bank `warm` (W,), `size` in all.

    Its vectors are stale, the positives' too. In one softmax with vectors that carry gradient a stale bank is gamed: embeddings
    drift away from where the bank was encoded, the loss falls between two encodings and jumps back at the next.
    """
    own = np.searchsorted(warm, np.unique(positive[positive >= 0]))  # every positive has a training event
    others = len(warm) - len(own)
    room = min(max(size - len(own), 0), others)
    # Number i of the places that are left, without listing them all: of 0 1 2 3 4 without 1 and 2, number 1 is 3.
    number = np.sort(rng.choice(others, room, replace=False))
    drawn = number + np.searchsorted(own - np.arange(len(own)), number, side="right")
    rows = np.sort(np.concatenate([own, drawn]))
    return Candidates(warm[rows], np.isin(rows, own), rows, room / max(1, others))


def candidate_masks(
    candidates: Candidates,
    examples: Examples,
    log: EventLog,
    catalogue: Catalogue,
    rows: np.ndarray,
    masked: bool,
    among: np.ndarray | None = None,
    live: bool = True,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positives (E, C) bool, negatives (E, C) bool and the column (E,) of the very next listing, for the examples `rows`.

    A listing of the user's own training future is never a negative; where the history is `masked` neither is one of the
    history, nor, with `live`, one that is not active at the moment. `among` (E, C) bool says where one may be a negative at all.
    """
    negative = ~exclusions(examples, log, rows, candidates.listing, history_too=masked)
    if among is not None:
        negative &= among
    if masked and live:
        negative &= active_mask(catalogue, examples.at[rows], candidates.listing)
    own = examples.positive[rows]  # (E, P)
    column = np.where(own >= 0, candidates.place_of(log.listings)[own], -1)
    row, slot = np.nonzero(column >= 0)
    positive = np.zeros(negative.shape, bool)
    positive[row, column[row, slot]] = True
    negative[row, column[row, slot]] = False
    return positive, negative, column[:, 0]


def inclusion_probability(candidates: Candidates, share: np.ndarray, slots: int, warm: int) -> np.ndarray:
    """Return (C,) the chance that each column's listing is a candidate of a step: q of the logQ correction.

    Yi et al. 2019 ("Sampling-bias-corrected neural modeling for large corpus item recommendations", section 4) take
    the share of the batch; here a listing has one column however often it was drawn, so that q is the chance of at least one
    draw: of `slots` positives, each with probability `share` (L,), and of the further ones out of `warm` listings.
    """
    missed = np.full(len(candidates.listing), 1 - candidates.drawn)
    if candidates.bank_rows is None:
        missed = missed * (1 - share[candidates.listing]) ** slots
    return np.maximum(1 - missed, 1 / warm)
