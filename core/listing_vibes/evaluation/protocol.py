"""The evaluation protocol: every scorer ranks the same queries and the same candidates, in bounded memory."""

from collections.abc import Sequence

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.scoring.metrics import Coverage
from listing_vibes.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks, top


def evaluate(
    scorers: Sequence[Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    queries: Queries | None = None,
    batch_size: int = 256,
    seed: int = 0,
    report: Report = silent,
) -> Evaluation:
    """Rank the target of every query (default: the test queries of `split`) by every scorer.

    The other scorers are compared with the first one. Ranks are pessimistic: ties count against the
    target. Memory is bounded by `batch_size` x L scores per scorer, and by 64 MiB for each of four.

    Raises:
        VibesError: there is no query.
        ValueError: two scorers share a name, a score is NaN or of a wrong shape, a target is not a candidate.
    """
    queries = split.test if queries is None else queries
    if len(queries) == 0:
        raise VibesError(
            "There is no query to evaluate: no event of the test period has an earlier event of the same user and a "
            "listing that is active and new to them; choose an earlier end of training or another --protocol."
        )
    names = [scorer.name for scorer in scorers]
    if len(set(names)) != len(names) or not names:
        raise ValueError(f"scorers need distinct names, got {names}")
    ranks = {name: np.zeros(len(queries), np.int64) for name in names}
    coverage = {name: Coverage(log.listings) for name in names}
    candidates = np.zeros(len(queries), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, batch_size, len(scorers)):
        if split.protocol == "temporal" and not allowed[np.arange(len(batch)), batch.target].all():
            raise ValueError("a query's target is not among its candidates")
        candidates[rows] = [np.count_nonzero(row) for row in allowed]
        for scorer in scorers:
            scores = checked_scores(scorer, batch, log.listings)  # (B, L)
            ranks[scorer.name][rows] = pessimistic_ranks(scores, allowed, batch.target)
            query, listing = top(scores, allowed, K)
            coverage[scorer.name].add(batch.user[query], listing, allowed)
        report(Counted("evaluate", rows.stop, len(queries)))
    notes = {scorer.name: note for scorer in scorers if (note := getattr(scorer, "note", ""))}
    return Evaluation(log, split, queries, ranks, coverage, candidates, seed, notes)
