"""On real data: the evaluation agrees to six digits with the naive one of the unit tests, ties included."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.market.importers import import_market
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, make_split
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.baselines.recent_popularity import RecentPopularity
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.recency import RecentEvents

pytestmark = pytest.mark.real
NAIVE = Path(__file__).resolve().parent.parent / "evaluation" / "naive_evaluation.py"


@pytest.fixture(scope="module")
def naive() -> ModuleType:
    spec = importlib.util.spec_from_file_location("naive_evaluation_of_real_data", NAIVE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Coarse:
    """Another scorer, rounded until many of its scores are equal."""

    def __init__(self, scorer, digits: int) -> None:
        self.scorer, self.digits, self.name = scorer, digits, f"coarse {scorer.name}"

    def score(self, batch: Queries) -> np.ndarray:
        return np.round(self.scorer.score(batch), self.digits)


def of_one_query(scorer, log: EventLog, market: Market):
    """A scorer of ours as the naive evaluation wants it: the scores of one query by listing id."""
    number = {user: row for row, user in enumerate(log.users)}
    ids = market.listings["listing_id"].tolist()

    def score(query: dict) -> dict[str, float]:
        user, at = number[query["user"]], query["at"].value if log.timed else query["at"]
        start, end = log.history_at(user, at)
        one = [np.array([value]) for value in (-1, user, -1, at, start, end)]
        return dict(zip(ids, scorer.score(Queries(*one, masked=True))[0].tolist(), strict=True))

    return score


def compare(market: Market, naive: ModuleType) -> None:
    log, catalogue = EventLog.from_market(market), Catalogue(*market.live_interval())
    split = make_split(log, catalogue)
    timed = split.protocol == "temporal"
    split = split if timed else split.with_history(False)
    interactions = Interactions.of(log, split.train)
    scorers = [
        Popularity.fit(log, split.train),
        ItemKNN.fit(interactions),
        Coarse(Ease.fit(interactions), 2),
    ]
    queries, train = (naive.temporal if timed else naive.leave_one_out)(market.events, market.listings)
    slow = [naive.popularity(train), *(of_one_query(scorer, log, market) for scorer in scorers[1:])]
    if timed:
        scorers.append(RecentPopularity(RecentEvents.over_days(log, 120)))
        slow.append(naive.recent_popularity(market.events, 120))
    found = evaluate(scorers, log, split, catalogue, batch_size=100)
    keys = ["user_id", "at", "target"]
    for scorer, score in zip(scorers, slow, strict=True):
        metrics, frame = naive.evaluate(queries, score, train)
        ours = {metric: estimate["value"] for metric, estimate in found.results[scorer.name].items()}
        assert ours == pytest.approx(metrics, abs=1e-6), scorer.name
        pd.testing.assert_frame_equal(
            found.queries_frame(market, scorer.name).sort_values(keys, ignore_index=True),
            frame.sort_values(keys, ignore_index=True),
            check_dtype=False,
        )


def test_agrees_on_an_airbnb_market_by_time(real_data, naive, tmp_path):
    import_market("inside-airbnb", real_data / "inside-airbnb" / "albany-2024-11", tmp_path / "albany")
    compare(Market.open(tmp_path / "albany"), naive)


def test_agrees_on_a_part_of_movielens_with_the_last_event_left_out(real_data, naive, tmp_path):
    source = real_data / "movielens-1m"
    part = tmp_path / "part"
    part.mkdir()
    shutil.copy(source / "items.csv", part)
    pd.DataFrame({"item_id": [], "path": []}).to_csv(part / "photos.csv", index=False)
    events = pd.read_csv(source / "events.csv.gz")
    some = events["user_id"].drop_duplicates().sample(150, random_state=0)
    events[events["user_id"].isin(some)].to_csv(part / "events.csv.gz", index=False)
    import_market("movielens-1m", part, tmp_path / "market")
    compare(Market.open(tmp_path / "market"), naive)
