"""What lists add to a model once it is trained, as validation finds it."""

from pathlib import Path
from typing import Any

import numpy as np

from core.market.log import EventLog
from core.market.market import Market
from core.market.splits import Catalogue, Split
from core.model.settings import TrainingConfig
from core.progress import Notice, Report
from core.run.additions import Additions
from core.run.contents import seal
from core.run.fits import RECENT, unasked_fit
from core.run.manifest import Manifest
from core.run.run import Run
from core.run.scorer import model_scorer
from core.scoring.blends import RecencyPrior, Remembered
from core.scoring.metrics import smooth_recall, user_means
from core.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks
from core.scoring.tuning import validation_sample

#: Standard errors by which lists have to be better without what they add to be called surely so.
SURELY = 2.0


def with_recency(
    training: TrainingConfig, model: Scorer, log: EventLog, split: Split, catalogue: Catalogue, seed: int
) -> TrainingConfig:
    """`training` with the recency that lists add, as validation weighs it beside the finished `model`; the weight may be 0."""
    found = RecencyPrior.tune([model], log, split, catalogue, seed)
    fit = (found.recent.days or RECENT, float(found.weight))
    return training.model_copy(update={"recency_fit": fit, "recency_served": found.weight > 0})


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
    ranks = np.zeros((len(queries), len(scorers)), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, 256, len(scorers)):
        for column, scorer in enumerate(scorers):
            scores = checked_scores(scorer, batch, log.listings)
            ranks[rows, column] = pessimistic_ranks(scores, allowed, batch.target)
    reached = user_means(smooth_recall(ranks), queries.user)  # (U, C)
    found = reached.mean(axis=0)
    best = int(found.argmax())
    lost = reached[:, best] - reached[:, 0]
    if len(lost) < 2 or lost.mean() <= SURELY * lost.std(ddof=1) / np.sqrt(len(lost)):
        return manifest
    less = "nothing" if best == 1 else "no recency"
    report(
        Notice(
            f"Validation finds surely less with what lists of a small market add ({found[0]:.3f} of smooth recall@30) than "
            f"without ({found[best]:.3f}), so the lists of this run add {less}."
        )
    )
    return seal(run, manifest.model_copy(update={"settings": choices[best]}))
