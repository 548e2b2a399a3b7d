"""Selection of the settings of a baseline by validation recall@30, so that nothing is tuned on the test."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks
from listing_vibes.scoring.ranking_metrics import user_means

S = TypeVar("S", bound=Scorer)
MOST_QUERIES = 2000  # More queries would only show differences smaller than those in the grids.
#: The maximum number of scores of a choice, and its minimum of queries: with a million listings 2,000 queries take minutes.
CELLS, LEAST_QUERIES = 2_000_000_000, 200
TRIALS = 8  # at least as many as most choices have
DECAYS = (0.8, 1.0, 0.9, 0.7, 0.5, 0.3)  # weight of a listing relative to the next newer one

log_of_choices = logging.getLogger(__name__)


def validation_sample(split: Split, seed: int, listings: int, trials: int = TRIALS) -> Queries:
    """Return at most `MOST_QUERIES` of the validation queries, sampled without replacement.

    They are fewer if the `trials` among all `listings` would need more than `CELLS` scores.
    """
    most = min(MOST_QUERIES, max(LEAST_QUERIES, CELLS // max(1, trials * listings)))
    return split.valid.sample(most, np.random.default_rng(seed))


def mean_over_users(
    metric: Callable[[np.ndarray], np.ndarray],
    scorer: Scorer,
    log: EventLog,
    queries: Queries,
    catalogue: Catalogue,
) -> float:
    """Return the mean over users of a metric of ranks (Q,)."""
    ranks = np.zeros(len(queries), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, 256):
        ranks[rows] = pessimistic_ranks(checked_scores(scorer, batch, log.listings), allowed, batch.target)
    return float(user_means(metric(ranks)[:, None].astype(np.float64), queries.user).mean())


def recall(scorer: Scorer, log: EventLog, queries: Queries, catalogue: Catalogue) -> float:
    """Return recall@30 as a mean over users."""
    return mean_over_users(lambda ranks: ranks <= K, scorer, log, queries, catalogue)


def best(trials: Iterable[S], log: EventLog, queries: Queries, catalogue: Catalogue) -> S:
    """Return the trial with the highest recall@30 on `queries`, the earlier one of a tie; without queries the first one."""

    def reached(trial: S) -> float:
        value = recall(trial, log, queries, catalogue)
        log_of_choices.debug("%s: recall@%d %.4f", trial, K, value)
        return value

    return max(trials, key=reached) if len(queries) else next(iter(trials))
