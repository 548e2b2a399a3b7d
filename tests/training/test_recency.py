"""`recency_days`: what is recent joins the loss, so that the model learns what recency does not tell."""

import numpy as np
import pandas as pd
import pytest

import listing_vibes.scoring.blend as blends_module
import listing_vibes.training.blend as blend_module
import listing_vibes.training.resolve as resolve_module
from helpers.training_pieces import changed
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import DefaultBlend
from listing_vibes.run.fits import NEIGHBOR_WEIGHT, RECENCY_WEIGHT, RECENT
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import model_scorer
from listing_vibes.scoring.blend import Blend
from listing_vibes.scoring.exposure import Exposure
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
def test_what_validation_measures_is_the_model_beside_what_is_recent(small_market, quick, tmp_path):
    settings = changed(quick, bf16=False, recency_days=DAYS)
    progress = train(small_market, tmp_path / "run", settings, None)
    manifest = Manifest.load(tmp_path / "run")
    blend = DefaultBlend(days=DAYS, weight=settings.training.temperature)
    settings = manifest.settings.model_copy(update={"blend": blend})
    manifest.model_copy(update={"settings": settings}).save(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    log, catalogue = EventLog.from_market(small_market), Catalogue.of(small_market)
    valid = make_split(log, catalogue).valid
    recent = RecentEvents.over_days(log, DAYS, catalogue)
    beside = Blend("beside", model_scorer(run), recent=recent, weight=settings.training.temperature)
    found = [recall(scorer, log, valid, catalogue) for scorer in (beside, model_scorer(run))]
    assert found[0] == pytest.approx(progress.best, abs=0.001)
    assert abs(found[1] - progress.best) > 0.005
    measured = evaluate_run(run)
    assert measured.notes["default ranking"] == (
        f"the model, trained with the events of the last {DAYS} days, blended with recency"
    )
    test = make_split(log, catalogue).test
    figure = measured.to_dict()["results"]["default ranking"]["recall@30"]["value"]
    assert figure == pytest.approx(recall(beside, log, test, catalogue), abs=1e-6)
    assert next(fit.added for fit in measured.fits) == "recency"
    # With neighbours in its lists, too: another row of the model, and the same alone.
    manifest = Manifest.load(run.path)
    blend = DefaultBlend(days=DAYS, weight=RECENCY_WEIGHT, neighbors=NEIGHBOR_WEIGHT)
    settings = manifest.settings.model_copy(update={"blend": blend})
    manifest.model_copy(update={"settings": settings}).save(run.path)
    near = evaluate_run(Run.open(run.path), baselines="fast")
    assert near.notes["default ranking"].endswith("blended with neighbors and recency")
    assert np.array_equal(near.ranks["model only"], measured.ranks["model only"])
    assert not np.array_equal(near.ranks["default ranking"], measured.ranks["default ranking"])
    told = Run.open(run.path).additions(None)
    assert np.array_equal(
        near.ranks["default ranking"],
        ranks(told.scorer(model_scorer(run), log), log, make_split(log, catalogue).test, catalogue),
    )
    assert "neighbors + recency" in near.ranks and not any(
        fit.name == "neighbors + recency" for fit in near.fits
    )


@pytest.mark.slow
def test_lists_add_the_recency_that_validation_weighed(small_market, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(resolve_module, "SMALL_MARKET", 0)
    monkeypatch.setattr(blend_module, "ENOUGH", 10)
    monkeypatch.setattr(blends_module, "WEIGHTS", (0.3,))  # of this market nothing is recent
    with monkeypatch.context() as none:
        none.setattr(blend_module, "SHARES", ())
        train(small_market, tmp_path / "run", changed(quick, bf16=False, recency_days="auto"), None)
    run = Run.open(tmp_path / "run")
    blend = run.manifest.settings.blend
    days, weight = blend.days, blend.weight
    assert weight > 0 and run.manifest.settings.training.recent_days == 0
    assert (run.additions(None).fit.days, run.additions(None).fit.weight) == (days, weight)
    measured = evaluate_run(run, baselines="fast")
    assert np.array_equal(measured.ranks["default ranking"], measured.ranks["model + recency"])
    assert not np.array_equal(measured.ranks["default ranking"], measured.ranks["model only"])
    train(small_market, tmp_path / "near", changed(quick, bf16=False, recency_days="auto"), None)
    fit = Run.open(tmp_path / "near").additions(None).fit
    assert fit.parts == "neighbors+recency" and fit.share > 0  # which tell much here
    near = evaluate_run(Run.open(tmp_path / "near"), baselines="none")
    assert near.notes["default ranking"] == "the model, blended with neighbors and recency"
    assert np.array_equal(near.ranks["model only"], measured.ranks["model only"])


@pytest.mark.slow
def test_lists_add_no_recency_where_validation_finds_more_without(small_market, quick, tmp_path, monkeypatch):
    # Counted as if all listings had been there all the time, what is recent does harm here.
    monkeypatch.setattr(Exposure, "of", lambda *_: None)
    monkeypatch.setattr(blend_module, "ENOUGH", 10)
    train(small_market, tmp_path / "run", changed(quick, bf16=False, recency_days="auto"), None)
    run = Run.open(tmp_path / "run")
    assert run.manifest.settings.training.recency_days == RECENT
    fit = run.additions(None).fit
    assert (fit.parts, fit.weight) == ("neighbors", 0) and fit.share > 0
    measured = evaluate_run(run, baselines="none")
    assert measured.notes["default ranking"] == (
        "the model, trained with the events of the last 60 days, blended with neighbors"
    )
    assert not np.array_equal(measured.ranks["default ranking"], measured.ranks["model only"])


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
