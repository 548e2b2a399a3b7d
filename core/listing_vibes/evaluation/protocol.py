"""The protocol: every scorer on the same queries and the same candidates, in bounded memory."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.new_by import NewBy
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.slices import cold_listing, cold_user, week_after_training
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.progress import Counted, Report
from listing_vibes.scoring.metrics import DEFAULT, Coverage, Cutoffs
from listing_vibes.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks, top


def evaluate(
    scorers: Sequence[Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    queries: Queries | None = None,
    batch_size: int = 256,
    cutoffs: Cutoffs = DEFAULT,
    seed: int = 0,
    report: Report | None = None,
    new_by: NewBy | None = None,
) -> Evaluation:
    """Rank the target of every query (default: the test queries of `split`) by every scorer.

    The first scorer is the one that the others are compared with. A rank is pessimistic: equal scores count against
    it. Memory is bounded by `batch_size` x L scores a scorer, and by 64 MiB for each of four. With `new_by` the same scores are ranked a second time, without the
    candidates that share its attribute with the history, over the queries whose target is such a new listing: `.new`.

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
    all_listings, new = (_Ranking(names, len(queries), log.listings, cutoffs.coverage) for _ in range(2))
    for rows, batch, allowed in batches(log, queries, catalogue, batch_size, len(scorers)):
        if split.protocol == "temporal" and not allowed[np.arange(len(batch)), batch.target].all():
            raise ValueError("a query's target is not among its candidates")
        unlike = allowed if new_by is None else allowed & new_by.candidates(log.listing, batch)
        for scorer in scorers:
            scores = checked_scores(scorer, batch, log.listings)  # (B, L)
            all_listings.add(scorer.name, rows, scores, allowed, batch)
            if new_by is not None:
                new.add(scorer.name, rows, scores, unlike, batch, unlike[np.arange(len(batch)), batch.target])
        if report is not None:
            report(Counted("evaluate", rows.stop, len(queries)))
    found = Evaluation(
        protocol=split.protocol,
        log=log,
        split=split,
        queries=queries,
        ranks=all_listings.ranks,
        coverage=all_listings.coverage,
        candidates=all_listings.candidates,
        cold_listing=cold_listing(log, split.train, queries),
        cold_user=cold_user(log, split.train, queries),
        week=week_after_training(split, queries),
        cutoffs=cutoffs,
        seed=seed,
        notes={scorer.name: note for scorer in scorers if (note := getattr(scorer, "note", ""))},
    )
    if new_by is None:
        return found
    if not new.asked.any():
        found.notes[f"new by {new_by.attribute}"] = "no query, every target shares a value with the history"
        return found
    asked = new.asked
    among = replace(
        found.taken(asked),
        ranks={name: ranks[asked] for name, ranks in new.ranks.items()},
        coverage=new.coverage,
        candidates=new.candidates[asked],
        new_by=new_by.attribute,
    )
    return replace(found, new=among)


class _Ranking:
    """Ranks and coverage of several scorers among one choice of candidates, gathered batch by batch."""

    def __init__(self, names: Sequence[str], queries: int, listings: int, k: int) -> None:
        self.k = k
        self.ranks = {name: np.zeros(queries, np.int64) for name in names}
        self.coverage = {name: Coverage(listings) for name in names}
        self.candidates = np.zeros(queries, np.int64)
        self.asked = np.zeros(queries, bool)  # whether a query counts here

    def add(
        self,
        name: str,
        rows: slice,
        scores: np.ndarray,
        allowed: np.ndarray,
        batch: Queries,
        asked: np.ndarray | None = None,
    ) -> None:
        """The `scores` (B, L) of the queries `rows` among `allowed` (B, L); `asked` (B,): those that count, None: all."""
        kept = np.ones(len(batch), bool) if asked is None else asked
        self.asked[rows], self.candidates[rows] = kept, allowed.sum(axis=1)
        self.ranks[name][rows] = pessimistic_ranks(scores, allowed, batch.target)
        if asked is not None:
            scores, allowed = scores[kept], allowed[kept]
        query, listing = top(scores, allowed, self.k)
        self.coverage[name].add(batch.user[kept][query], listing, allowed)
