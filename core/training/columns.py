"""Which listings a step scores, as columns: encoded with gradient or taken from the bank, positives and negatives."""

from dataclasses import dataclass

import numpy as np

from core.market.log import EventLog
from core.market.splits import Catalogue
from core.model.settings import TrainingConfig
from core.training.examples import Examples, exclusions, live_columns


@dataclass(frozen=True, eq=False)
class Columns:
    """C columns: first F listings that are encoded with gradient, sorted, then G vectors of the bank.

    A listing may stand in two columns only where its fresh vector is a positive and its bank vector a negative.
    """

    listing: np.ndarray  # (C,) listing rows
    fresh: int  # F
    stale: np.ndarray  # (G,) places in the bank
    positive: np.ndarray  # (C,) bool: read as a positive
    negative: np.ndarray  # (C,) bool: read as a negative
    rate: float  # of the bank's listings that had no column yet, how many were given one


def draw_columns(
    positive: np.ndarray, warm: np.ndarray, config: TrainingConfig, rng: np.random.Generator
) -> Columns:
    """Columns for the positives (E, P) (-1: none) of a step; `warm` (W,), sorted, are the bank's listings, too.

    `config.fresh` further warm listings are drawn as negatives with gradient, whatever the other negatives are: the
    other positives of the batch ("in-batch"), the bank ("bank"), or "both", where a listing of the batch stands for
    itself and not in the bank, so that every listing stands there once and popular ones are no commoner negatives.
    """
    own = np.unique(positive[positive >= 0])
    drawn = np.sort(rng.choice(warm, min(config.fresh, len(warm)), replace=False))
    if config.positive_vectors == "fresh":
        fresh = np.union1d(own, drawn)
        # As negatives the batch's positives are either fresh or the bank's.
        as_negative = np.isin(fresh, drawn) if config.negatives == "bank" else np.ones(len(fresh), bool)
        needed = own[:0]
    else:
        fresh = np.setdiff1d(drawn, own)
        as_negative, needed = np.ones(len(fresh), bool), own
    stale = np.flatnonzero(np.isin(warm, needed, assume_unique=True))
    rate = 0.0
    if config.negatives != "in-batch" and config.bank_size:
        others = np.flatnonzero(~np.isin(warm, np.union1d(fresh[as_negative], needed), assume_unique=True))
        room = max(config.bank_size - len(stale), 0)
        rate = min(1.0, room / max(1, len(others)))
        if len(others) > room:
            others = np.sort(rng.choice(others, room, replace=False))
        stale = np.sort(np.concatenate([stale, others]))
    everywhere = np.ones(len(stale), bool)
    return Columns(
        listing=np.concatenate([fresh, warm[stale]]),
        fresh=len(fresh),
        stale=stale,
        positive=np.concatenate(
            [np.isin(fresh, own), np.isin(warm[stale], own) & (config.positive_vectors == "bank")]
        ),
        negative=np.concatenate([as_negative, everywhere]),
        rate=rate,
    )


def column_masks(
    columns: Columns, examples: Examples, log: EventLog, catalogue: Catalogue, rows: np.ndarray, masked: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positives (E, C) bool, negatives (E, C) bool and the column (E,) of the very next listing, for the examples `rows`.

    A listing of the user's own training future is never a negative; where the protocol masks the history neither is
    one of the history, nor one that is not live at the moment.
    """
    negative = ~exclusions(examples, log, rows, columns.listing, history_too=masked)
    negative &= columns.negative
    if masked:
        negative &= live_columns(catalogue, examples.at[rows], columns.listing)
    place = np.full(log.listings, -1, np.int64)
    place[columns.listing[columns.positive]] = np.flatnonzero(columns.positive)
    own = examples.positive[rows]  # (E, P)
    column = np.where(own >= 0, place[own], -1)
    row, slot = np.nonzero(column >= 0)
    positive = np.zeros(negative.shape, bool)
    positive[row, column[row, slot]] = True
    return positive, negative & ~positive, column[:, 0]


def inclusion(
    columns: Columns, share: np.ndarray, slots: int, warm: int, config: TrainingConfig
) -> np.ndarray:
    """(C,) the chance that each column's listing serves as a negative of a step: q of the logQ correction.

    Yi et al. 2019 ("Sampling-bias-corrected neural modeling for large corpus item recommendations", section 4) take
    the share of the batch; here a listing stands in one column however often it was drawn, so that q is the chance
    of at least one draw: of `slots` positives, each with probability `share` (L,), of the `fresh` ones out of `warm`
    listings, and of the bank's sample.
    """
    share = share[columns.listing]
    missed = np.full(len(share), (1 - min(config.fresh, warm) / warm) * (1 - columns.rate))
    if config.negatives != "bank":
        missed = missed * (1 - share) ** slots
    return np.maximum(1 - missed, 1 / warm)
