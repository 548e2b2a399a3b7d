"""What lists add to a model once it is trained: recency and attribute neighbors, weighted on validation."""

from typing import Any

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.fits import DECAY, NEAR, RECENT, Fit, default_fit, fit_of
from listing_vibes.scoring.blend import BATCH, SHARES, WINDOWS, Blend, Remembered, score_spread, tune_recency
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.tuning import validation_sample

#: Validation queries from which on lists add what these like best. Of fewer, weights move from the fixed ones toward the best ones
#: by the share of this number that there is: 50 queries choose worse than the fixed weights do.
ENOUGH = 300


def fit_blend(
    training: ResolvedTraining,
    model: Scorer,
    near: np.ndarray | None,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int,
) -> ResolvedTraining:
    """Return `training` with the recency and the attribute neighbors that lists add to the finished `model`.

    With `ENOUGH` validation queries these choose the window, the form of neighbors and both weights, 0 among them. With fewer,
    window and form are the fixed ones, and each weight is `fixed + queries / ENOUGH * (best - fixed)`.

    Args:
        near: (L, d) vectors that neighbors are compared by; None: no neighbors are added.
    """
    fixed = _fixed_fit(training, near is not None)
    trust = min(1.0, len(split.valid) / ENOUGH)
    kept = Remembered(model)
    scorers = _candidate_scorers(training, kept, near, log, fixed, trust < 1)
    windows = WINDOWS if trust == 1 else (fixed.days or RECENT,)
    best = fit_of(tune_recency(scorers, log, split, catalogue, seed, windows=windows))
    assert best is not None
    found = best if trust == 1 else _shrink(fixed, best, trust, kept, log, split, catalogue, seed)
    return training.model_copy(
        update={
            "recency_fit": (found.days or RECENT, found.weight),
            "recency_served": bool(found.weight or found.share),
            "neighbours_served": found.share,
            "neighbours_nearest": found.nearest and found.share > 0,
        }
    )


def _fixed_fit(training: ResolvedTraining, has_neighbors: bool) -> Fit:
    """What lists add where nothing is validated: `NEAR` and `STANDARD` of `listing_vibes.run.fits`, or shares given by hand."""
    changes: dict[str, Any] = {"recency_served": True, "recency_fit": None}
    if not has_neighbors:
        changes["neighbours_served"] = 0.0
    elif training.neighbours_weighed:
        changes |= {"neighbours_served": NEAR, "neighbours_nearest": training.baskets == "set"}
    found = default_fit(Resolved(training=training.model_copy(update=changes)))
    assert found is not None
    return found


def _candidate_scorers(
    training: ResolvedTraining,
    model: Remembered,
    near: np.ndarray | None,
    log: EventLog,
    fixed: Fit,
    only_fixed_form: bool,
) -> list[Scorer]:
    """The model only and blended with neighbors at each of `SHARES`, or at the one share that was given by hand."""
    if near is None:
        return [model]
    forms = {  # whether neighbors go by the nearest listing of a history: their decay (`listing_vibes.run.fits.default_fit`)
        False: DECAY,
        True: 1.0,
    }
    if only_fixed_form or not training.neighbours_weighed:
        forms = {fixed.nearest: forms[fixed.nearest]}
    partners = [
        Remembered(VectorNeighbors.of(near, log, decay, NEIGHBORS["attributes"], nearest))
        for nearest, decay in forms.items()
    ]
    if not training.neighbours_weighed:
        return [Blend(model.name, model, partners[0], fixed.share)] if fixed.share else [model]
    return [model, *(Blend(model.name, model, one, share) for one in partners for share in SHARES)]


def _shrink(
    fixed: Fit,
    best: Fit,
    trust: float,
    model: Scorer,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int,
) -> Fit:
    """`fixed` with weights moved toward those of `best` by the share `trust`, both in units of the blend's scores."""
    weight = best.weight
    if (
        fixed.share and not best.share and len(split.valid)
    ):  # beside neighbors the model's scores are standardized
        first = validation_sample(split, seed, log.listings).take(slice(0, BATCH))
        weight /= max(float(score_spread(model, log, first)), 1e-9)
    return fixed.model_copy(
        update={
            "share": fixed.share + trust * (best.share - fixed.share),
            "weight": fixed.weight + trust * (weight - fixed.weight),
        }
    )
