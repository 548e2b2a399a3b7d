"""What lists add to a model once it is trained, as validation finds it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.model.settings import TrainingConfig
from listing_vibes.progress import Notice, Report
from listing_vibes.run.additions import Additions
from listing_vibes.run.contents import seal
from listing_vibes.run.fits import DECAY, RECENT, fit_of, unasked_fit
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import model_scorer
from listing_vibes.scoring.blends import SHARES, Blend, RecencyPrior, Remembered
from listing_vibes.scoring.metrics import smooth_recall, user_means
from listing_vibes.scoring.neighbours import NEIGHBOURS, VectorNeighbours
from listing_vibes.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks
from listing_vibes.scoring.tuning import validation_sample

#: Standard errors by which lists have to be better, with or without what they add, to be called surely so.
SURELY = 2.0
#: Validation queries by which recency is weighed as they like it best: fewer choose worse than a fixed weight does (the towns have
#: 50 to 400), so that it has to be surely better than nothing.
WEIGHS = 1000


def weighed(
    training: TrainingConfig,
    model: Scorer,
    near: np.ndarray | None,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int,
) -> TrainingConfig:
    """`training` with what lists add, as validation weighs it beside the finished `model`: recency, whose weight may be 0, and with
    it attribute neighbors, where validation surely finds more by both; or beside so much of these as was given by hand. Of fewer
    than `WEIGHS` queries recency has to be surely better, too.

    Args:
        near: (L, d) the vectors that neighbours are told by; None: none are added.
    """
    kept = Remembered(model)
    alone: Scorer = kept
    weighs_neighbours = near is not None and training.neighbours_weighed
    if near is not None and not weighs_neighbours:
        means, nearest = _partners(near, log)
        partner = nearest if training.neighbours_nearest else means
        alone = Blend(kept, Remembered(partner), training.neighbours_served)
    recent = RecencyPrior.tune([alone], log, split, catalogue, seed)
    queries = validation_sample(split, seed, log.listings)
    if len(split.valid) < WEIGHS and recent.weight:
        reached = _reached([alone, recent], log, queries, catalogue)
        if not _surely(reached[:, 1] - reached[:, 0]):
            recent = replace(recent, weight=0.0)
    both = (
        _with_neighbours(kept, near, log, split, catalogue, seed)
        if near is not None and weighs_neighbours
        else None
    )
    if both is not None:
        reached = _reached([recent, both], log, queries, catalogue)
        if not _surely(reached[:, 1] - reached[:, 0]):
            both = None
    found = fit_of(both or recent)
    assert found is not None
    changed: dict[str, Any] = {
        "recency_fit": (found.days or RECENT, found.weight),
        "recency_served": bool(found.weight or found.share),
    }
    if near is not None:
        changed |= {"neighbours_served": found.share, "neighbours_nearest": found.nearest}
    return training.model_copy(update=changed)


def _with_neighbours(
    model: Remembered, near: np.ndarray, log: EventLog, split: Split, catalogue: Catalogue, seed: int
) -> RecencyPrior | None:
    """`model` with the mean of the history's neighbours or its nearest, whichever validation likes, and recency; None where it
    likes neither."""
    blend = Blend.tune([model], _partners(near, log), log, split, catalogue, seed)
    if not blend.weight:
        return None
    other = Remembered(blend.other)
    blends = [Blend(model, other, share) for share in SHARES]
    return RecencyPrior.tune(blends, log, split, catalogue, seed)


def _partners(near: np.ndarray, log: EventLog) -> list[VectorNeighbours]:
    """Neighbours by the mean of a history, and by its nearest listing, as lists have them (`listing_vibes.run.fits.unasked_fit`)."""
    return [
        VectorNeighbours.of(near, log, decay, NEIGHBOURS["attributes"], nearest)
        for decay, nearest in ((DECAY, False), (1.0, True))
    ]


def guarded(run: Path, manifest: Manifest, market: Market, report: Report) -> Manifest:
    """The manifest of the finished `run`, written anew where validation finds surely more without what its lists would add by
    fixed weights: then they add neighbours alone, or nothing, whichever finds more.

    Surely: by more than two standard errors of the smooth recall@30's difference, paired over users. Who gave another number of
    days by hand has it so.
    """
    settings = manifest.settings
    fixed = settings.training.recency_fit is None and settings.training.recent_days == RECENT
    if unasked_fit(settings) is None or not fixed:
        return manifest
    opened = Run.open(run, market)
    log, catalogue, split = opened.log, opened.catalogue, opened.split(None)
    queries = validation_sample(split, settings.seed, log.listings)
    if not len(queries):
        return manifest
    nothing: dict[str, Any] = {"recency_served": False, "neighbours_served": 0.0}
    changes = [{}, nothing]
    if settings.training.neighbours_served:
        changes.append({"recency_fit": (RECENT, 0.0)})
    choices = [
        settings.model_copy(update={"training": settings.training.model_copy(update=one)}) for one in changes
    ]
    alone = Remembered(model_scorer(opened))
    scorers = [
        alone if fit is None else Additions(opened, fit).scorer(alone, log)
        for fit in map(unasked_fit, choices)
    ]
    reached = _reached(scorers, log, queries, catalogue)
    found = reached.mean(axis=0)
    best = int(found.argmax())
    if not _surely(reached[:, best] - reached[:, 0]):
        return manifest
    less = "nothing" if best == 1 else "no recency"
    report(
        Notice(
            f"Validation finds surely less with what lists of a small market add ({found[0]:.3f} of smooth recall@30) than "
            f"without ({found[best]:.3f}), so the lists of this run add {less}."
        )
    )
    return seal(run, manifest.model_copy(update={"settings": choices[best]}))


def _reached(scorers: Sequence[Scorer], log: EventLog, queries: Queries, catalogue: Catalogue) -> np.ndarray:
    """(U, C) the smooth recall@30 of each scorer, a mean over the queries of each user."""
    ranks = np.zeros((len(queries), len(scorers)), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, 256, len(scorers)):
        for column, scorer in enumerate(scorers):
            scores = checked_scores(scorer, batch, log.listings)
            ranks[rows, column] = pessimistic_ranks(scores, allowed, batch.target)
    return user_means(smooth_recall(ranks), queries.user)


def _surely(gain: np.ndarray) -> bool:
    """Whether the mean of the users' gains (U,) is above 0 by `SURELY` standard errors; of few users, whose gains hardly say how large
    these are, by as many more as Student's t asks (of two by 14, of thirty by 2.1)."""
    from scipy.stats import norm, t  # at the end of a training alone

    if len(gain) < 2:
        return False
    least = t.ppf(norm.cdf(SURELY), len(gain) - 1)
    return bool(gain.mean() > least * gain.std(ddof=1) / np.sqrt(len(gain)))
