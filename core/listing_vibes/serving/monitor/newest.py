"""The newest events, by the protocol of the evaluation: what they ask, and what the run's lists make of them."""

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
from listing_vibes.run.additions import Additions
from listing_vibes.run.fits import serving_fit
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import model_scorer
from listing_vibes.scoring.metrics import DEFAULT, per_query, user_means
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.serving.monitor.drift import ALPHA, FEWEST, TRAIN
from listing_vibes.words import count

METRIC = "recall@30"
#: How often chance deals users out.
DEALT = 1000


@dataclass(frozen=True, eq=False)
class Newest:
    """The queries since a moment, and what the evaluation measured before it.

    Attributes:
        split: of the run; None where the market has no events.
        queries: those of its test that are at or after `since`.
        since: in the time of the log.
        measured: (U,) recall@30 of the users that the evaluation asked before `since`; None: it was not evaluated.
    """

    split: Split | None
    queries: Queries | None
    since: int | None
    measured: np.ndarray | None
    ranking: str

    @property
    def any(self) -> bool:
        """Whether there is a query."""
        return self.queries is not None and len(self.queries) > 0


def newest(run: Run, since: Moment | None = None, beside: str | None = None) -> Newest:
    """What came since a moment; None: since the last query of the evaluation, or since training ended.

    Raises:
        VibesError: the market has no such moment, or nothing was fitted to stand `beside` the model.
    """
    fit = serving_fit(run.path, run.manifest.settings, beside)
    ranking = DEFAULT_RANKING if beside is None else MODEL_ONLY if fit is None else fit.name
    if not run.has_model or not len(run.log) or run.trained_on_everything:
        return Newest(None, None, None, None, ranking)
    split = run.split()
    asked = load_rankings(run)
    known = None
    if asked is not None and f"rank of {ranking}" in asked:
        at = asked["at"]
        moments = at.dt.as_unit("ns").astype("int64") if at.dtype.kind == "M" else at
        known = pd.DataFrame(
            {"user": asked[C.USER], "at": moments.to_numpy(), "rank": asked[f"rank of {ranking}"].to_numpy()}
        )
    if since is not None:
        begin = moment_in_log(since, run.market.timed, "Option --since")
    elif known is not None and len(known):
        begin = int(known["at"].max()) + 1
    else:
        begin = int(split.t2 or 0)
    queries = split.test.take(split.test.at >= begin)
    measured = None
    if known is not None and len(before := known[known["at"] < begin]):
        user = np.unique(before["user"].to_numpy(str), return_inverse=True)[1]
        measured = user_means(per_query(before["rank"].to_numpy()), user)[:, DEFAULT.names.index(METRIC)]
    return Newest(split, queries, begin, measured, ranking)


def asked_newest(
    run: Run, found: Newest, beside: str | None = None, report: Report | None = None
) -> Evaluation:
    """The run's model (with what stands `beside` it) on the newest queries."""
    assert found.split is not None and found.queries is not None
    scorer: Scorer = model_scorer(run)
    fit = serving_fit(run.path, run.manifest.settings, beside)
    if fit is not None:
        scorer = Additions(run, fit, found.split.train).scorer(scorer, run.log)
    return evaluate([scorer], run.log, found.split, run.catalogue, found.queries, report=report)


def recall_check(
    found: Newest, asked: Evaluation | None, run: Run, limits: Thresholds, seed: int = 0
) -> Check:
    """Recall@30 on the newest events against what the evaluation measured.

    Chance deals the users of both out anew (a permutation test); where too few came it is told and never crossed.
    """
    if asked is None:
        reason = (
            "no event came since the model was measured or trained that could ask it, so nothing is known yet"
            if len(run.log)
            else "the market has no events, so nothing measures the lists"
        )
        return Check(name="recall", sentence=f"Recall: {reason}.")
    values = asked.user_values(asked.names[0])[:, DEFAULT.names.index(METRIC)]  # (U,)
    (now,) = estimates(values[:, None], seed)
    told = f"Recall@30 on the newest {count(len(asked.queries), 'event')} of {count(len(values), 'user')} is {_figure(now)}"
    look = "`vibes monitor RUN --queries OUT.parquet`, whose rows with the greatest rank are the queries that were lost"
    missed = [run.listing_ids[row] for row in _lost(asked)]
    if missed:
        look += f"; the listings that were missed most are {', '.join(missed)}"
    if found.measured is None:
        return Check(
            name="recall", value=now["value"], low=now["low"], high=now["high"],
            sentence=f"{told}; there is no evaluation before them to compare it with.", look=look + ".",
        )  # fmt: skip
    before = float(found.measured.mean())
    limit, apart = limits.recall_drop, _chance(values, found.measured, seed) <= ALPHA
    below = limit is not None and float(now["value"] or 0) < (1 - limit) * before and apart
    words = "less than" if below else "against" if apart else "and not told apart from"
    if len(values) < FEWEST:
        words = f"of too few (below {FEWEST}) to be told apart from"
    return Check(
        name="recall", value=now["value"], low=now["low"], high=now["high"], before=before, crossed=bool(below),
        sentence=f"{told}, {words} the {before:.3f} that was measured.",
        look=f"{look}; if nothing in the data explains it, {training_advice(run)}.",
    )  # fmt: skip


def training_advice(run: Run) -> str:
    """Return what training helps a run whose market moved, "" where its market has no events to train on."""
    if not run.transferred:
        return TRAIN
    market = run.market.path
    return (
        f"train a model of this market with `vibes train {market} RUN --init-from {run.path}`"
        if len(run.log)
        else ""
    )


def _chance(values: np.ndarray, measured: np.ndarray, seed: int) -> float:
    """How often users dealt out anew have no more than `values` have; 1 where they are too few to say."""
    if len(values) < FEWEST:
        return 1.0
    both, rng = np.concatenate([values, measured]), np.random.default_rng(seed)
    drawn = [both[rng.choice(len(both), len(values), replace=False)].mean() for _ in range(DEALT)]
    return float(1 + (np.array(drawn) <= values.mean() + 1e-9).sum()) / (1 + DEALT)


def _lost(asked: Evaluation, most: int = 3) -> np.ndarray:
    """The rows of the listings that were missed most often."""
    missed = asked.ranks[asked.names[0]] > DEFAULT.coverage
    target, times = np.unique(asked.queries.target[missed], return_counts=True)
    found: np.ndarray = target[np.lexsort((target, -times))[:most]]
    return found


def _figure(now: dict[str, float | None]) -> str:
    if now["low"] is None:
        return f"{now['value']:.3f}"
    return f"{now['value']:.3f} (95 %: {now['low']:.3f} to {now['high']:.3f})"
