"""Recall on the newest events, by the protocol of the evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from listing_vibes.evaluation.intervals import estimates
from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.insight.rankings import load_rankings
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.moments import Moment, moment_in_log
from listing_vibes.market.splits import Queries, Split
from listing_vibes.progress import Report
from listing_vibes.run.fits import serving_fit
from listing_vibes.run.run import Run
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.run.scorer import model_scorer
from listing_vibes.scoring.metrics import DEFAULT, per_query, user_means
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.serving.monitor.drift import ALPHA, FEWEST, TRAIN, permutation_p
from listing_vibes.words import count

METRIC = "recall@30"


@dataclass(frozen=True, eq=False)
class NewestQueries:
    """The queries since a moment, and the results of the evaluation before it.

    Attributes:
        split: the split of the run; None if the market has no events.
        queries: test queries at or after `since`.
        since: the moment, in the time of the log.
        measured: (U,) recall@30 of the users with evaluated queries before `since`; None: the run was not evaluated.
    """

    split: Split | None = None
    queries: Queries | None = None
    since: int | None = None
    measured: np.ndarray | None = None

    @property
    def any(self) -> bool:
        """Return whether there is a query."""
        return self.queries is not None and len(self.queries) > 0


def newest_queries(run: Run, since: Moment | None = None, blend: str | None = None) -> NewestQueries:
    """Return the queries since a moment; None: since the last query of the evaluation, or since the end of training.

    Raises:
        VibesError: the market has no such moment, or the blend was not fitted.
    """
    fit = serving_fit(run.path, run.manifest.settings, blend)
    ranking = DEFAULT_RANKING if blend is None else MODEL_ONLY if fit is None else fit.name
    if not run.has_model or not len(run.log) or run.trained_on_everything:
        return NewestQueries()
    split = run.split()
    rankings = load_rankings(run)
    available = None
    if rankings is not None and f"rank of {ranking}" in rankings:
        at = rankings["at"]
        moments = at.dt.as_unit("ns").astype("int64") if at.dtype.kind == "M" else at
        available = pd.DataFrame(
            {
                "user": rankings[C.USER],
                "at": moments.to_numpy(),
                "rank": rankings[f"rank of {ranking}"].to_numpy(),
            }
        )
    if since is not None:
        begin = moment_in_log(since, run.market.timed, "Option --since")
    elif available is not None and len(available):
        begin = int(available["at"].max()) + 1
    else:
        begin = int(split.t2 or 0)
    queries = split.test.take(split.test.at >= begin)
    measured = None
    if available is not None and len(before := available[available["at"] < begin]):
        user = np.unique(before["user"].to_numpy(str), return_inverse=True)[1]
        measured = user_means(per_query(before["rank"].to_numpy()), user)[:, DEFAULT.names.index(METRIC)]
    return NewestQueries(split, queries, begin, measured)


def evaluate_newest(
    run: Run, newest: NewestQueries, blend: str | None = None, report: Report | None = None
) -> Evaluation:
    """Return the ranks of the run's model, with its blend, on the newest queries."""
    assert newest.split is not None and newest.queries is not None
    scorer: Scorer = model_scorer(run)
    fit = serving_fit(run.path, run.manifest.settings, blend)
    if fit is not None:
        scorer = RunBlend(run, fit, newest.split.train).scorer(scorer, run.log)
    return evaluate([scorer], run.log, newest.split, run.catalogue, newest.queries, report=report)


def recall_check(newest: NewestQueries, evaluation: Evaluation | None, run: Run, limits: Thresholds) -> Check:
    """Check recall@30 on the newest events against the evaluation, by a permutation test over users."""
    if evaluation is None:
        reason = (
            "there is no query since the model was trained or evaluated, so it cannot be measured yet"
            if len(run.log)
            else "the market has no events, so it cannot be measured"
        )
        return Check(name="recall", sentence=f"Recall: {reason}.")
    values = evaluation.user_values(evaluation.names[0])[:, DEFAULT.names.index(METRIC)]  # (U,)
    (now,) = estimates(values[:, None], 0)
    sentence = f"Recall@30 on the newest {count(len(evaluation.queries), 'event')} of {count(len(values), 'user')} is {now['value']:.3f}"
    if now["low"] is not None:
        sentence += f" (95 %: {now['low']:.3f} to {now['high']:.3f})"
    look = "`vibes monitor RUN --queries OUT.parquet`; its rows with the greatest rank are the missed queries"
    missed = evaluation.queries.target[evaluation.ranks[evaluation.names[0]] > DEFAULT.coverage]
    target, times = np.unique(missed, return_counts=True)
    most = [run.listing_ids[row] for row in target[np.lexsort((target, -times))[:3]]]
    look += f"; the listings that were missed most are {', '.join(most)}" if most else ""
    measured, before, p, crossed = newest.measured, None, None, False
    if measured is None:
        sentence += "; there is no earlier evaluation to compare it with"
    else:
        before = float(measured.mean())
        if len(values) >= FEWEST:
            both = np.concatenate([values, measured])
            p = permutation_p(lambda rows: -both[rows].mean(), np.arange(len(values)), np.arange(len(both)))
            limit = limits.recall_drop
            crossed = limit is not None and float(values.mean()) < (1 - limit) * before and p < ALPHA
        sentence += f"; the evaluation had {before:.3f}"
        sentence += f", of too few users (below {FEWEST}) to compare" if p is None else f" (p {p:.3f})"
    return Check(
        name="recall", value=now["value"], low=now["low"], high=now["high"], before=before, p=p, crossed=bool(crossed),
        sentence=f"{sentence}.", look=f"{look}; if nothing in the data explains it, {training_advice(run)}.",
    )  # fmt: skip


def training_advice(run: Run) -> str:
    """Return the advice for training after a shift of the market; "" if the market has no events to train on."""
    if not run.transferred:
        return TRAIN
    market = run.market.path
    return (
        f"train a model of this market with `vibes train {market} RUN --init-from {run.path}`"
        if len(run.log)
        else ""
    )
