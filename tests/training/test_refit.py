"""A run trained again for as many steps, on what it was validated on as well."""

import json

import numpy as np
import pytest

from helpers.trainings import changed
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import WITHIN
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.log import EventLog
from listing_vibes.model.settings import ResolvedSplit, ResolvedTraining
from listing_vibes.run.fits import copy_fits, load_fits
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.scoring.ranking_names import NEAR_RECENT
from listing_vibes.training.api import refit_settings
from listing_vibes.training.train import train

pytestmark = pytest.mark.slow

CARRIED = TransferReport(run="first", market_name="Before", learned=True)


@pytest.fixture(scope="module")
def again(small_market, whole, tmp_path_factory):
    run = tmp_path_factory.mktemp("again") / "run"
    settings = refit_settings(whole[0], small_market)
    return run, train(small_market, run, settings, None, refit_of=whole[0])


def rates(run):
    lines = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    return [line["rate"] for line in lines if "rate" in line], [line for line in lines if "rate" not in line]


def test_as_many_steps_until_the_test_begins(small_market, whole, again):
    (first, progress), (run, refitted) = whole, again
    was, now = Manifest.load(first), Manifest.load(run)
    assert was.steps == progress.best_step == refitted.step == refitted.best_step == now.steps
    assert now.settings.split.t1 == now.settings.split.t2 == was.settings.split.t2
    same = {"split": was.settings.split, "training": was.settings.training}
    assert now.settings.model_copy(update=same) == was.settings
    rate, validations = rates(run)
    assert len(rate) == was.steps and not validations and refitted.best == -1
    log = EventLog.from_market(small_market)
    between = (log.time >= was.settings.split.t1) & (log.time < was.settings.split.t2)
    assert between.any()  # otherwise nothing was added


def test_the_test_is_the_same_and_what_serving_adds_is_weighed_as_before(whole, again):
    before, after = evaluate_run(Run.open(whole[0])), evaluate_run(Run.open(again[0]))
    np.testing.assert_array_equal(before.queries.event, after.queries.event)
    assert after.notes["baselines"] == WITHIN and "baselines" not in before.notes
    assert NEAR_RECENT in after.results  # what is to be had without any model
    assert not [name for name in after.results if name.startswith("model +")]  # nothing could be fitted
    save_metrics(Run.open(whole[0]), before)
    copy_fits(whole[0], again[0])
    after = evaluate_run(Run.open(again[0]))
    rows = [
        "model + recency",
        "model + neighbors",
        "model + neighbors + recency",
        "model + ids",
    ]
    assert [name for name in after.results if name.startswith("model +")] == rows
    assert {name: after.notes[name] for name in rows} == {name: before.notes[name] for name in rows}
    save_metrics(Run.open(again[0]), after)
    assert load_fits(again[0]) == load_fits(whole[0])


def test_steps_that_stop_early_keep_the_schedule(small_market, quick, whole, tmp_path):
    train(small_market, tmp_path / "run", changed(quick, stop_after=21), None)
    steps, all_steps = (rates(run)[0] for run in (tmp_path / "run", whole[0]))
    assert len(steps) == 21 < len(all_steps) and steps == all_steps[:21]


def test_everything_leaves_nothing_to_test_on(small_market, whole, tmp_path):
    settings = refit_settings(whole[0], small_market, everything=True)
    train(small_market, tmp_path / "run", settings, None)
    run = Run.open(tmp_path / "run")
    assert run.trained_on_everything and not Run.open(whole[0]).trained_on_everything
    with pytest.raises(VibesError, match="nothing left to test it on; evaluate the run that it repeats"):
        evaluate_run(run)


@pytest.mark.parametrize(
    "change, why",
    [
        ({"steps": 0}, "records no number of training steps"),
        ({"steps": 0, "carried": CARRIED}, "records no number of training steps"),
        ({"split": ResolvedSplit(protocol="leave-one-out")}, "protocol leave-one-out, which has no end"),
        ({"training": ResolvedTraining(recipe="two-stage")}, "in two stages"),
    ],
)
def test_what_cannot_be_refitted_is_said(small_market, whole, tmp_path, change, why):
    manifest = Manifest.load(whole[0])
    inside = {name: value for name, value in change.items() if name in ("split", "training")}
    own = {name: value for name, value in change.items() if name not in inside}
    settings = manifest.settings.model_copy(update=inside)
    manifest.model_copy(update={**own, "settings": settings}).save(tmp_path)
    with pytest.raises(VibesError, match=why):
        refit_settings(tmp_path, small_market)


def test_a_run_without_a_model_is_named(small_market, tmp_path):
    embed_market(small_market, tmp_path / "run", None)
    with pytest.raises(VibesError, match="name a run of `vibes train`"):
        refit_settings(tmp_path / "run", small_market)
