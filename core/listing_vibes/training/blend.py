"""What lists add to a model once it is trained: recency and attribute neighbors, weighed on validation."""

from __future__ import annotations

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.model.settings import DefaultBlend
from listing_vibes.run.fits import DECAY, fit_of
from listing_vibes.scoring.blend import BATCH, SHARES, WINDOWS, Blend, Remembered, score_spread, tune_recency
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.tuning import validation_sample

#: Validation queries from which on lists add what these like best. Of fewer, weights move from the fixed ones toward the best ones
#: by the share of this number that there is: 50 queries choose worse than the fixed weights do.
ENOUGH = 300


def weigh_blend(
    fixed: DefaultBlend,
    model: Scorer,
    near: np.ndarray | None,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int,
) -> DefaultBlend | None:
    """Return the recency and the attribute neighbors that lists add to the finished `model`; None: nothing.

    With `ENOUGH` validation queries these choose the window, the form of neighbors and both weights, 0 among them. With fewer,
    window and form are those of `fixed`, and each weight is `fixed + queries / ENOUGH * (best - fixed)`.

    Args:
        near: (L, d) vectors that neighbors are compared by; None: no neighbors are added.
    """
    trust = min(1.0, len(split.valid) / ENOUGH)
    remembered = Remembered(model)
    scorers: list[Scorer] = [remembered]
    if near is not None:
        for nearest in (False, True) if trust == 1 else (fixed.nearest,):
            decay = 1.0 if nearest else DECAY
            partner = Remembered(VectorNeighbors.of(near, log, decay, NEIGHBORS["attributes"], nearest))
            scorers += [Blend(model.name, remembered, partner, share) for share in SHARES]
    windows = WINDOWS if trust == 1 else (fixed.days,)
    fit = fit_of(tune_recency(scorers, log, split, catalogue, seed, windows=windows))
    assert fit is not None
    days, weight, neighbors, nearest = fit.days or fixed.days, fit.weight, fit.share, fit.nearest
    if trust < 1:
        if (
            fixed.neighbors and not neighbors and len(split.valid)
        ):  # beside neighbors a model's scores are standardized
            first = validation_sample(split, seed, log.listings).take(slice(0, BATCH))
            weight /= max(float(score_spread(remembered, log, first)), 1e-9)
        neighbors = fixed.neighbors + trust * (neighbors - fixed.neighbors)
        weight = fixed.weight + trust * (weight - fixed.weight)
        nearest = fixed.nearest
    if not (weight or neighbors):
        return None
    return DefaultBlend(
        days=days, weight=weight, neighbors=neighbors, nearest=nearest and neighbors > 0, weighed=True
    )
