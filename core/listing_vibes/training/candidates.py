"""The candidates of a step: listings encoded with gradient or from the bank, as positives and negatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue
from listing_vibes.training.examples import Examples, active_mask, exclusions


@dataclass(frozen=True, eq=False)
class Candidates:
    """The C sorted listings of one softmax; each is a negative of the examples that do not have it as a positive."""

    listing: np.ndarray  # (C,) listing rows
    positive: np.ndarray  # (C,) bool: whether it is a positive of any example
    bank_rows: np.ndarray | None  # (C,) rows in the bank; None: encoded with gradient
    drawn: float  # sampled share of the listings that are not positives

    def place_of(self, listings: int) -> np.ndarray:
        """Return (L,) the column of each positive, -1 elsewhere."""
        place = np.full(listings, -1, np.int32)
        place[self.listing[self.positive]] = np.flatnonzero(self.positive).astype(np.int32)
        return place


def fresh_candidates(
    positive: np.ndarray, warm: np.ndarray, fresh: int, rng: np.random.Generator
) -> Candidates:
    """Return the positives (E, P) (-1: none) of a step and `fresh` sampled listings of `warm` (W,), to encode with gradient."""
    targets = np.unique(positive[positive >= 0])
    count = min(fresh, len(warm))
    listing = np.union1d(targets, rng.choice(warm, count, replace=False))
    return Candidates(listing, np.isin(listing, targets), None, count / len(warm))


def bank_candidates(
    positive: np.ndarray, warm: np.ndarray, size: int, rng: np.random.Generator
) -> Candidates:
    """Return the positives (E, P) of a step and sampled listings of the bank `warm` (W,), `size` in total.

    All of its vectors are stale, also those of positives. In one softmax with fresh vectors, training would exploit the stale ones:
    embeddings drift away from the bank, and the loss falls between two encodings of the bank and jumps back at the next.
    """
    targets = np.searchsorted(
        warm, np.unique(positive[positive >= 0])
    )  # Every positive has a training event.
    others = len(warm) - len(targets)
    room = min(max(size - len(targets), 0), others)
    # The i-th remaining row, without materializing all: among 0 1 2 3 4 without 1 and 2, number 1 is 3.
    number = np.sort(rng.choice(others, room, replace=False))
    drawn = number + np.searchsorted(targets - np.arange(len(targets)), number, side="right")
    rows = np.sort(np.concatenate([targets, drawn]))
    return Candidates(warm[rows], np.isin(rows, targets), rows, room / max(1, others))


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

    A listing of the user's training future is never a negative. If the history is `masked`, neither is a listing of the history
    nor, with `live`, one that is not active at the moment. `among` (E, C) bool restricts the negatives.
    """
    negative = ~exclusions(examples, log, rows, candidates.listing, history_too=masked)
    if among is not None:
        negative &= among
    if masked and live:
        negative &= active_mask(catalogue, examples.at[rows], candidates.listing)
    targets = examples.positive[rows]  # (E, P)
    column = np.where(targets >= 0, candidates.place_of(log.listings)[targets], -1)
    row, slot = np.nonzero(column >= 0)
    positive = np.zeros(negative.shape, bool)
    positive[row, column[row, slot]] = True
    negative[row, column[row, slot]] = False
    return positive, negative, column[:, 0]


def inclusion_probability(candidates: Candidates, share: np.ndarray, slots: int, warm: int) -> np.ndarray:
    """Return (C,) the probability that each column's listing is a candidate of a step: q of the logQ correction.

    Yi et al. 2019 ("Sampling-bias-corrected neural modeling for large corpus item recommendations", section 4) take
    the share of the batch; here a listing has only one column even if it is sampled several times, so q is the probability of at least
    one draw: of `slots` positives, each with probability `share` (L,), and of the further ones out of `warm` listings.
    """
    missed = np.full(len(candidates.listing), 1 - candidates.drawn)
    if candidates.bank_rows is None:
        missed = missed * (1 - share[candidates.listing]) ** slots
    return np.asarray(np.maximum(1 - missed, 1 / warm))
