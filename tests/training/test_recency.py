"""`recency_days`: what is recent joins the loss, so that the model learns what recency does not tell."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from helpers.training_pieces import changed
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import model_scorer
from listing_vibes.scoring.blend import Blend, log_events
from listing_vibes.scoring.ranking import batches, pessimistic_ranks
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.tuning import recall
from listing_vibes.training.train import train

DAYS = 20


def ranks(scorer, log, queries, catalogue):
    return np.concatenate(
        [
            pessimistic_ranks(scorer.score(b), allowed, b.target)
            for _, b, allowed in batches(log, queries, catalogue, 64)
        ]
    )


@pytest.mark.slow
def test_validation_measures_the_model_with_recency_and_lists_have_the_fitted_blend(
    small_market, quick, tmp_path
):
    settings = changed(quick, bf16=False, recency_days=60)
    progress = train(small_market, tmp_path / "run", settings, None)
    run = Run.open(tmp_path / "run")
    fit = run.manifest.settings.blend
    log, catalogue = EventLog.from_market(small_market), Catalogue.of(small_market)
    split = make_split(log, catalogue)
    weights = {"model": 1.0, "recent": settings.training.temperature}
    loss = BlendWeights(weights=weights, scales=dict.fromkeys(weights, 1.0))
    with_recency = Blend(
        loss, {"model": model_scorer(run)}, {"recent": partial(log_events, RecentEvents.over_days(log))}
    )
    found = [recall(scorer, log, split.valid, catalogue) for scorer in (with_recency, model_scorer(run))]
    assert found[0] == pytest.approx(progress.best, abs=0.001)
    assert abs(found[1] - progress.best) > 0.005
    assert fit.queries > 0 and {"model", "attributes", "recent"} <= fit.weights.keys()
    measured = evaluate_run(run, baselines="fast")
    assert fit.note in measured.notes["default ranking"]
    blend = run.additions(None)
    assert blend.fit == fit and np.array_equal(
        measured.ranks["default ranking"],
        ranks(blend.scorer(model_scorer(run), log), log, split.test, catalogue),
    )
    assert "neighbors + recency" in measured.ranks
    assert {item.parts for item in measured.fits} == {"recency", "neighbors", "neighbors+recency", "ids"}


def test_without_timestamps_nothing_is_recent(tmp_path, quick):
    pd.DataFrame({"listing_id": list("abc"), "price": [1, 2, 3]}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    pd.DataFrame({"user_id": ["u"] * 6, "listing_id": list("abcabc"), "position": range(6)}).to_csv(
        tmp_path / "events.csv", index=False
    )
    with pytest.raises(VibesError, match=r"training\.recency_days is 20, but the events have no timestamps"):
        train(Market.open(tmp_path), tmp_path / "run", changed(quick, bf16=False, recency_days=DAYS), None)
    assert not (tmp_path / "run").exists()
