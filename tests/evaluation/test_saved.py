"""What a run keeps of its evaluations, and the test set that stays as it was when events come."""

import numpy as np
import pandas as pd
import pytest

from helpers.copies import copied
from listing_vibes.evaluation.run_evaluation import evaluate
from listing_vibes.insight.rankings import load_rankings, rankers
from listing_vibes.progress import Notice
from listing_vibes.run.run import Run
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource


@pytest.mark.slow
def test_fewer_baselines_or_users_never_replace_a_fuller_evaluation(trained, tmp_path):
    path, notices = copied(trained, tmp_path).path, []

    def measure(**options):
        return evaluate(
            path, progress=lambda one: notices.append(one) if isinstance(one, Notice) else None, **options
        )

    full = measure(baselines="fast")
    for less in ({"baselines": "none"}, {"baselines": "fast", "users": 5}):
        measure(**less)
        assert list(Run.open(path).metrics["results"]) == list(full.results)
        assert rankers(load_rankings(Run.open(path))) == full.names
        assert Run.open(path).metrics["users"] == len(full.users)
    assert len(notices) == 2 and "saved evaluation with more baselines" in notices[0].text


@pytest.mark.slow
def test_events_that_a_refresh_brings_are_no_part_of_the_test_until_asked_for(trained, tmp_path):
    run = copied(trained, tmp_path)
    first = evaluate(run.path, baselines="none")
    events, new = run.market.events, tmp_path / "new"
    users = events["user_id"].unique()
    rng = np.random.default_rng(0)
    later = pd.DataFrame(
        {
            "user_id": np.repeat(users, 4),
            "listing_id": rng.choice(run.listing_ids, 4 * len(users)),
            "timestamp": events["timestamp"].max() + pd.to_timedelta(1 + np.arange(4 * len(users)), "s"),
        }
    )
    new.mkdir()
    later.to_parquet(new / "later.parquet", index=False)
    look = Refresher(run.path, {"events": FileSource(new)}).refresh()
    assert look.published and look.events == len(later)
    again = evaluate(run.path, baselines="none")
    assert len(again.queries) == len(first.queries) and again.results == first.results
    newer = evaluate(run.path, baselines="none", new_test=True)
    assert len(newer.queries) > len(first.queries)
    assert f"{len(newer.queries) - len(first.queries):,} newer" in again.notes["test set"]
    assert "test set" not in newer.notes
    assert len(evaluate(run.path, baselines="none").queries) == len(newer.queries)
