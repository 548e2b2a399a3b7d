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
from listing_vibes.serving.monitor.checks import ALPHA, FEWEST, Check, Thresholds
from listing_vibes.serving.monitor.drift import TRAIN, permutation_p
from listing_vibes.words import count

METRIC = "recall@30"


@dataclass(frozen=True, eq=False)
class NewestQueries:
    """The queries since a moment, and the results of the evaluation before it.

    Attributes:
        split: the split of the run; None if the market has no events.
        queries: test queries at or after `since`; None if there are none.
        since: the moment, in the time of the log.
        measured: (U,) recall@30 of the users with evaluated queries before `since`; None: the run was not evaluated.
    """

    split: Split | None = None
    queries: Queries | None = None
    since: int | None = None
    measured: np.ndarray | None = None


def newest_queries(run: Run, since: Moment | None = None, blend: str | None = None) -> NewestQueries:
    """Return the queries since a moment; None: since the last query of the evaluation, or since the end of training.

    Raises:
        VibesError: the market has no such moment, or the blend was not fitted.
    """
    fit = serving_fit(run.path, run.manifest.settings, blend)
    ranking = DEFAULT_RANKING if blend is None else MODEL_ONLY if fit is None else fit.name
    if not run.has_model or not len(run.log) or run.trained_on_everything:
        return NewestQueries()
    split, evaluated, measured = run.split(), _evaluated_queries(run, ranking), None
    if since is not None:
        begin = moment_in_log(since, run.market.timed, "Option --since")
    else:
        begin = int(evaluated["at"].max()) + 1 if len(evaluated) else int(split.t2 or 0)
    if len(before := evaluated[evaluated["at"] < begin]):
        user = np.unique(before["user"].to_numpy(str), return_inverse=True)[1]
        measured = user_means(per_query(before["rank"].to_numpy()), user)[:, DEFAULT.names.index(METRIC)]
    queries = split.test.take(split.test.at >= begin)
    return NewestQueries(split, queries if len(queries) else None, begin, measured)


def _evaluated_queries(run: Run, ranking: str) -> pd.DataFrame:
    """Return `user, at, rank` of the evaluated queries, `at` in the time of the log; empty if the ranking was not evaluated."""
    rankings = load_rankings(run)
    if rankings is None or f"rank of {ranking}" not in rankings:
        return pd.DataFrame(columns=["user", "at", "rank"])
    at = rankings["at"]
    moments = at.dt.as_unit("ns").astype("int64") if at.dtype.kind == "M" else at
    return pd.DataFrame({"user": rankings[C.USER], "at": moments, "rank": rankings[f"rank of {ranking}"]})


def evaluate_newest(
    run: Run, newest: NewestQueries, blend: str | None = None, report: Report | None = None
) -> Evaluation | None:
    """Return the ranks of the run's model, with its blend, on the newest queries; None if there are none."""
    if newest.split is None or newest.queries is None:
        return None
    scorer: Scorer = model_scorer(run)
    fit = serving_fit(run.path, run.manifest.settings, blend)
    if fit is not None:
        scorer = RunBlend(run, fit, newest.split.train).scorer(scorer, run.log)
    return evaluate([scorer], run.log, newest.split, run.catalogue, newest.queries, report=report)


def recall_check(newest: NewestQueries, evaluation: Evaluation | None, run: Run, limits: Thresholds) -> Check:
    """Check recall@30 on the newest events against the evaluation, by a permutation test over users."""
    if evaluation is None:
        reason = (
            "no query since the model was trained or evaluated" if len(run.log) else "no event in the market"
        )
        return Check(name="recall", sentence=f"Recall cannot be measured yet: there is {reason}.")
    ranking = evaluation.names[0]
    values = evaluation.user_values(ranking)[:, DEFAULT.names.index(METRIC)]  # (U,)
    (now,) = estimates(values[:, None], 0)
    sentence = f"Recall@30 on the newest {count(len(evaluation.queries), 'event')} of {count(len(values), 'user')} is {now['value']:.3f}"
    if now["low"] is not None:
        sentence += f" (95 %: {now['low']:.3f} to {now['high']:.3f})"
    measured, before, p, limit, crossed = newest.measured, None, None, limits.recall_drop, False
    if measured is None:
        sentence += "; there is no earlier evaluation to compare it with"
    else:
        before = float(measured.mean())
        sentence += f"; the evaluation had {before:.3f}"
        if len(values) >= FEWEST:
            both = np.concatenate([values, measured])
            p = permutation_p(lambda rows: -both[rows].mean(), np.arange(len(values)), np.arange(len(both)))
            crossed = bool(limit is not None and values.mean() < (1 - limit) * before and p < ALPHA)
        sentence += f", of too few users (below {FEWEST}) to compare" if p is None else f" (p {p:.3f})"
    hint = "`vibes monitor RUN --queries OUT.parquet`; its rows with the greatest rank are the missed queries"
    return Check(
        name="recall", value=now["value"], low=now["low"], high=now["high"], before=before, p=p, crossed=crossed,
        sentence=f"{sentence}.", hint=f"{hint}; if nothing in the data explains it, {training_advice(run)}.",
    )  # fmt: skip


def training_advice(run: Run) -> str:
    """Return the advice for training after a shift of the market; "" if the market has no events to train on."""
    if not run.transferred:
        return TRAIN
    command = f"`vibes train {run.market.path} RUN --init-from {run.path}`"
    return f"train a model of this market with {command}" if len(run.log) else ""
