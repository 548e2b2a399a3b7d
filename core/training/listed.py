"""What lists add to a model once it is trained, as validation finds it."""

from pathlib import Path

import numpy as np

from core.market.log import EventLog
from core.market.market import Market
from core.market.splits import Catalogue, Split
from core.model.settings import TrainingConfig
from core.progress import Notice, Report
from core.run.contents import seal
from core.run.fits import RECENT, unasked_fit
from core.run.manifest import Manifest
from core.run.run import Run
from core.run.scorer import as_served, model_scorer
from core.scoring.blends import RecencyPrior, Remembered
from core.scoring.metrics import smooth_recall, user_means
from core.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks
from core.scoring.tuning import validation_sample

#: Standard errors by which the model alone has to be ahead of its lists to be called surely better.
SURELY = 2.0


def with_recency(
    training: TrainingConfig, model: Scorer, log: EventLog, split: Split, catalogue: Catalogue, seed: int
) -> TrainingConfig:
    """`training` with the recency that lists add, as validation weighs it beside the finished `model`; the weight may be 0."""
    found = RecencyPrior.tune([model], log, split, catalogue, seed)
    fit = (found.recent.days or RECENT, float(found.weight))
    return training.model_copy(update={"recency_fit": fit, "recency_served": found.weight > 0})


def guarded(run: Path, manifest: Manifest, market: Market, report: Report) -> Manifest:
    """The manifest of the finished `run`, written anew where validation finds surely more by the model alone than by what its
    lists would add with fixed weights: then they add nothing.

    Surely: by more than two standard errors of the smooth recall@30's difference, paired over users. Who gave another number of
    days by hand has it so.
    """
    settings = manifest.settings
    fixed = settings.training.recency_fit is None and settings.training.recent_days == RECENT
    if unasked_fit(settings) is None or not fixed:
        return manifest
    opened = Run.open(run, market)
    log, catalogue, split = opened.log, opened.catalogue, opened.split(None)
    queries = validation_sample(split, settings.seed)
    if not len(queries):
        return manifest
    alone = Remembered(model_scorer(opened))
    scorers = as_served(opened, alone), alone
    ranks = np.zeros((len(queries), 2), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, 256, len(scorers)):
        for column, scorer in enumerate(scorers):
            scores = checked_scores(scorer, batch, log.listings)
            ranks[rows, column] = pessimistic_ranks(scores, allowed, batch.target)
    reached = user_means(smooth_recall(ranks), queries.user)  # (U, 2)
    lost = reached[:, 1] - reached[:, 0]
    if len(lost) < 2 or lost.mean() <= SURELY * lost.std(ddof=1) / np.sqrt(len(lost)):
        return manifest
    listed, bare = reached.mean(axis=0)
    report(
        Notice(
            f"Validation finds surely more by the model alone ({bare:.3f} of smooth recall@30) than with what lists of a small "
            f"market add ({listed:.3f}), so the lists of this run add nothing."
        )
    )
    training = settings.training.model_copy(update={"recency_served": False, "neighbours_served": 0.0})
    return seal(
        run,
        manifest.model_copy(update={"settings": settings.model_copy(update={"training": training})}),
    )
