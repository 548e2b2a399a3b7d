"""The protocol: every scorer on the same queries and the same candidates, in bounded memory."""

from collections.abc import Callable, Sequence

import numpy as np

from core.errors import VibesError
from core.evaluation.result import Evaluation
from core.evaluation.slices import cold_listing, cold_user, week_after_training
from core.market.log import EventLog
from core.market.splits import Catalogue, Queries, Split
from core.scoring.metrics import DEFAULT, Coverage, Cutoffs
from core.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks, top

Progress = Callable[[str, int, int], None]  # what is being done, how much is done, of how much


def evaluate(
    scorers: Sequence[Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    queries: Queries | None = None,
    batch_size: int = 256,
    cutoffs: Cutoffs = DEFAULT,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Rank the target of every query (default: the test queries of `split`) by every scorer.

    The first scorer is the one that the others are compared with. A rank is pessimistic: equal scores count against
    it. Memory is bounded by `batch_size` x L scores.

    Raises:
        VibesError: there is no query.
        ValueError: two scorers share a name, a score is NaN or of a wrong shape, a target is not a candidate.
    """
    queries = split.test if queries is None else queries
    if len(queries) == 0:
        raise VibesError(
            "There is no query to evaluate: no event of the test period has an earlier event of the same user and a "
            "listing that is live and new to them; choose an earlier end of training or another --protocol."
        )
    names = [scorer.name for scorer in scorers]
    if len(set(names)) != len(names) or not names:
        raise ValueError(f"scorers need distinct names, got {names}")
    ranks = {name: np.zeros(len(queries), np.int64) for name in names}
    coverage = {name: Coverage(log.listings) for name in names}
    candidates = np.zeros(len(queries), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, batch_size):
        if split.protocol == "temporal" and not allowed[np.arange(len(batch)), batch.target].all():
            raise ValueError("a query's target is not among its candidates")
        candidates[rows] = allowed.sum(axis=1)
        for scorer in scorers:
            scores = checked_scores(scorer, batch, log.listings)  # (B, L)
            ranks[scorer.name][rows] = pessimistic_ranks(scores, allowed, batch.target)
            coverage[scorer.name].add(top(scores, allowed, cutoffs.coverage), allowed, batch.user)
        if progress:
            progress("evaluate", rows.stop, len(queries))
    return Evaluation(
        protocol=split.protocol,
        log=log,
        split=split,
        queries=queries,
        ranks=ranks,
        coverage=coverage,
        candidates=candidates,
        cold_listing=cold_listing(log, split.train, queries),
        cold_user=cold_user(log, split.train, queries),
        week=week_after_training(split, queries),
        cutoffs=cutoffs,
        seed=seed,
        notes={scorer.name: scorer.note for scorer in scorers if hasattr(scorer, "note")},
    )
