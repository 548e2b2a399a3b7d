"""Which listings a step scores, as candidates: encoded with gradient or taken from the bank, positives and negatives."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue
from listing_vibes.model.settings import CandidateSet
from listing_vibes.training.examples import Examples, exclusions, live_mask


@dataclass(frozen=True, eq=False)
class Candidates:
    """C candidates: first F listings that are encoded with gradient, sorted, then G vectors of the bank.

    A listing may stand in two candidates only where its fresh vector is a positive and its bank vector a negative.
    """

    listing: np.ndarray  # (C,) listing rows
    fresh: int  # F
    bank_rows: np.ndarray  # (G,) places in the bank
    positive: np.ndarray  # (C,) bool: read as a positive
    negative: np.ndarray  # (C,) bool: read as a negative
    bank_rate: float  # share of the bank's other listings that were drawn


def draw_candidates(
    positive: np.ndarray, warm: np.ndarray, config: CandidateSet, rng: np.random.Generator
) -> Candidates:
    """Candidates for the positives (E, P) (-1: none) of a step; `warm` (W,), sorted, are the bank's listings, too.

    `config.fresh` further warm listings are drawn as negatives with gradient, whatever the other negatives are: the
    other positives of the batch ("in-batch") or the bank ("bank").
    """
    own = np.unique(positive[positive >= 0])
    drawn = np.sort(rng.choice(warm, min(config.fresh, len(warm)), replace=False))
    if not config.stale_positives:
        fresh = np.union1d(own, drawn)
        # As negatives the batch's positives are either fresh or the bank's.
        as_negative = np.isin(fresh, drawn) if config.negatives == "bank" else np.ones(len(fresh), bool)
        needed = own[:0]
    else:
        fresh = np.setdiff1d(drawn, own)
        as_negative, needed = np.ones(len(fresh), bool), own
    bank_rows = _places(warm, needed)
    bank_rate = 0.0
    if config.negatives == "bank" and config.bank_size:
        out = _places(warm, np.union1d(fresh[as_negative], needed))
        others = len(warm) - len(out)
        room = max(config.bank_size - len(bank_rows), 0)
        bank_rate = min(1.0, room / max(1, others))
        drawn = np.sort(rng.choice(others, room, replace=False)) if others > room else np.arange(others)
        bank_rows = np.sort(np.concatenate([bank_rows, _without(out, drawn)]))
    everywhere = np.ones(len(bank_rows), bool)
    return Candidates(
        listing=np.concatenate([fresh, warm[bank_rows]]),
        fresh=len(fresh),
        bank_rows=bank_rows,
        positive=np.concatenate(
            [np.isin(fresh, own), np.isin(warm[bank_rows], own) & config.stale_positives]
        ),
        negative=np.concatenate([as_negative, everywhere]),
        bank_rate=bank_rate,
    )


def _places(warm: np.ndarray, listings: np.ndarray) -> np.ndarray:
    """Where those of the `listings` (n,) that are among `warm` (W,) stand in it, both sorted; without a pass over `warm`."""
    place = np.searchsorted(warm, listings)
    inside = place < len(warm)
    return place[inside][warm[place[inside]] == listings[inside]]


def _without(out: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Where the `numbers` (n,) of the places that are left stand among all, the places `out` (m,), sorted, among them.

    So that a step never lists a whole catalogue to draw a few of it: of the places 0 1 2 3 4 without 1 and 2, number 1 is 3.
    """
    return numbers + np.searchsorted(out - np.arange(len(out)), numbers, side="right")


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
    """Positives (E, C) bool, negatives (E, C) bool and the column (E,) of the very next listing, for the examples `rows`.

    A listing of the user's own training future is never a negative; where the history is `masked` neither is one of the
    history, nor, with `live`, one that is not live at the moment. `among` (E, C) bool says where one may be a negative at all.
    """
    negative = ~exclusions(examples, log, rows, candidates.listing, history_too=masked)
    negative &= candidates.negative
    if among is not None:
        negative &= among
    if masked and live:
        negative &= live_mask(catalogue, examples.at[rows], candidates.listing)
    place = np.full(log.listings, -1, np.int32)
    place[candidates.listing[candidates.positive]] = np.flatnonzero(candidates.positive).astype(np.int32)
    own = examples.positive[rows]  # (E, P)
    column = np.where(own >= 0, place[own], -1)
    row, slot = np.nonzero(column >= 0)
    positive = np.zeros(negative.shape, bool)
    positive[row, column[row, slot]] = True
    negative[row, column[row, slot]] = False
    return positive, negative, column[:, 0]


def inclusion_probability(
    candidates: Candidates, share: np.ndarray, slots: int, warm: int, config: CandidateSet
) -> np.ndarray:
    """(C,) the chance that each column's listing serves as a negative of a step: q of the logQ correction.

    Yi et al. 2019 ("Sampling-bias-corrected neural modeling for large corpus item recommendations", section 4) take
    the share of the batch; here a listing stands in one column however often it was drawn, so that q is the chance
    of at least one draw: of `slots` positives, each with probability `share` (L,), of the `fresh` ones out of `warm`
    listings, and of the bank's sample.
    """
    share = share[candidates.listing]
    missed = np.full(len(share), (1 - min(config.fresh, warm) / warm) * (1 - candidates.bank_rate))
    if config.negatives != "bank":
        missed = missed * (1 - share) ** slots
    return np.maximum(1 - missed, 1 / warm)
