"""Simultaneous events are a basket, a set: training reads it in another order each epoch."""

from dataclasses import replace

import numpy as np

from listing_vibes.features.sequences import Meta
from listing_vibes.market.log import EventLog
from listing_vibes.training.examples import make_examples
from listing_vibes.training.step import StepData

#: Share of simultaneous training events from which on a market's events come in baskets.
REAL_SHARE = 0.2


def simultaneous(log: EventLog, train: np.ndarray) -> float:
    """The share of the events where `train` (N,) holds at whose very moment their user has one on another listing."""
    rows = np.flatnonzero(train)
    if not len(rows):
        return 0.0
    user, time, listing = log.user[rows], log.time[rows], log.listing[rows]
    new = (np.diff(user) != 0) | (np.diff(time) != 0)  # (n - 1,) where another basket begins
    # (n,) of baskets of more than one event; the others have no company
    shared = np.append(False, ~new) | np.append(~new, False)
    group = np.append(0, np.cumsum(new))[shared]  # (m,) basket
    # The basket of each different listing of one.
    pair = np.unique(group * log.listings + listing[shared]) // log.listings
    baskets, found = np.unique(pair, return_counts=True)
    company = (found > 1)[np.searchsorted(baskets, group)]  # (m,)
    return float(np.count_nonzero(company) / len(rows))


def drawn_order(log: EventLog, train: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) rows of the log in an order where the training events of one user and moment are shuffled; others stay."""
    rows = np.flatnonzero(train)
    order = np.arange(len(log))
    order[rows] = rows[np.lexsort((rng.random(len(rows)), log.time[rows], log.user[rows]))]
    return order


def in_epoch(data: StepData, epoch: int) -> StepData:
    """`data` as this epoch reads it: where baskets are sets, with an order of each drawn by the seed and the epoch.

    Each event is then foretold by the earlier ones of its own basket, too, and the first of a basket by the earlier
    baskets: over the epochs any part of a basket foretells any other member. Without that a market of one large basket
    a user has next to nothing to learn from. What is asked later, the next basket from the earlier ones, stays as it is.
    """
    if data.baskets is None:
        return data
    order = drawn_order(data.log, data.baskets.train, np.random.default_rng([data.seed, 4, epoch]))
    log = replace(
        data.log,
        listing=data.log.listing[order],
        action=data.log.action[order],
        duration=data.log.duration[order],
    )
    meta = data.inputs.meta
    if meta is not None:
        meta = Meta(meta.action[order], meta.duration[order])
    return replace(
        data,
        log=log,
        inputs=replace(data.inputs, listing=data.inputs.listing[order], meta=meta),
        examples=make_examples(log, data.baskets, data.examples.positive.shape[1], within=True),
    )
