"""Whether the evaluation of a market agrees with the naive one, which shares no code with it."""

from collections.abc import Callable

import naive_evaluation as naive
import numpy as np
import pandas as pd
import pytest

from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, Split, make_split
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.baselines.recent_popularity import RecentPopularity
from listing_vibes.scoring.recency import RecentEvents


def one_at_a_time(scorer, log: EventLog, market: Market) -> Callable[[dict], dict[str, float]]:
    """A scorer of ours asked for one query only, by user id and moment."""
    number = {user: row for row, user in enumerate(log.users)}
    ids = market.listings["listing_id"].tolist()

    def score(query: dict) -> dict[str, float]:
        user, at = number[query["user"]], query["at"].value if log.timed else query["at"]
        one = [np.array([value]) for value in (-1, user, -1, at, *log.history_at(user, at))]
        return dict(zip(ids, scorer.score(Queries(*one, masked=True))[0].tolist(), strict=True))

    return score


def assert_agrees(market: Market, others: Callable[[EventLog, Split], list], days: int, batch: int) -> None:
    """The metrics of popularity, recent popularity and `others` are the same to six digits, ties included, and every query's row is."""
    log, catalogue = EventLog.from_market(market), Catalogue(*market.live_interval())
    split = make_split(log, catalogue)
    timed = split.protocol == "temporal"
    split = split if timed else split.with_history(False)
    queries, train = (naive.temporal if timed else naive.leave_one_out)(market.events, market.listings)
    pairs = [(Popularity.fit(log, split.train), naive.popularity(train))]
    pairs += [(scorer, one_at_a_time(scorer, log, market)) for scorer in others(log, split)]
    if timed:
        recent = RecentPopularity(RecentEvents.over_days(log, days))
        pairs.append((recent, naive.recent_popularity(market.events, days)))
    found = rank_queries([scorer for scorer, _ in pairs], log, split, catalogue, batch_size=batch)
    assert len(queries) > 80
    keys = ["user_id", "at", "target"]
    for scorer, score in pairs:
        metrics, frame = naive.evaluate(queries, score, train)
        ours = {metric: estimate["value"] for metric, estimate in found.results[scorer.name].items()}
        assert ours == pytest.approx(metrics, abs=1e-6), scorer.name
        pd.testing.assert_frame_equal(
            found.queries_frame(market, scorer.name).sort_values(keys, ignore_index=True),
            frame.sort_values(keys, ignore_index=True),
            check_dtype=False,
        )
