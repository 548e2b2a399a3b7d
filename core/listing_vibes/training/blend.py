"""The default blend of a trained model: recency and attribute neighbors, with weights fitted on validation."""

from __future__ import annotations

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.model.settings import DefaultBlend
from listing_vibes.run.fits import DECAY, fit_of
from listing_vibes.scoring.blend import (
    BATCH,
    SHARES,
    WINDOWS,
    Blend,
    CachedScorer,
    score_spread,
    tune_recency,
)
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.tuning import validation_sample

#: The number of validation queries from which on the best weights on validation are used. With fewer, the weights are interpolated
#: between the fixed and the best ones, since 50 queries choose worse weights than the fixed ones.
ENOUGH = 300


def weigh_blend(
    fixed: DefaultBlend,
    model: Scorer,
    neighbor_vectors: np.ndarray | None,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int,
) -> DefaultBlend | None:
    """Return the weights of the default blend of the finished `model`; None for the model only.

    With `ENOUGH` validation queries the window, the form of neighbors and both weights are fitted on them. With fewer, window and
    form are those of `fixed`, and each weight is `fixed + queries / ENOUGH * (best - fixed)`.

    Args:
        neighbor_vectors: (L, d) the vectors that neighbors compare; None for no neighbors.
    """
    trust = min(1.0, len(split.valid) / ENOUGH)
    cached = CachedScorer(model)
    scorers: list[Scorer] = [cached]
    if neighbor_vectors is not None:
        for nearest in (False, True) if trust == 1 else (fixed.nearest,):
            decay = 1.0 if nearest else DECAY
            partner = CachedScorer(
                VectorNeighbors.of(neighbor_vectors, log, decay, NEIGHBORS["attributes"], nearest)
            )
            scorers += [Blend(model.name, cached, partner, share) for share in SHARES]
    windows = WINDOWS if trust == 1 else (fixed.days,)
    fit = fit_of(tune_recency(scorers, log, split, catalogue, seed, windows=windows))
    assert fit is not None
    days, weight, neighbors, nearest = fit.days or fixed.days, fit.weight, fit.share, fit.nearest
    if trust < 1:
        if (
            fixed.neighbors and not neighbors and len(split.valid)
        ):  # With neighbors a model's scores are standardized.
            first = validation_sample(split, seed, log.listings).take(slice(0, BATCH))
            weight /= max(float(score_spread(cached, log, first)), 1e-9)
        neighbors = fixed.neighbors + trust * (neighbors - fixed.neighbors)
        weight = fixed.weight + trust * (weight - fixed.weight)
        nearest = fixed.nearest
    if not (weight or neighbors):
        return None
    return DefaultBlend(
        days=days, weight=weight, neighbors=neighbors, nearest=nearest and neighbors > 0, weighed=True
    )
