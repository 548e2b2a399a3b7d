"""Whole trainings on a small market: seeded, resumable after a real kill -9, and honest about bad input."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.killing import kill_at, train_apart, weights
from helpers.training_pieces import changed
from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Trained, Validated, silent
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.training.data import TrainingData
from listing_vibes.training.train import Job, fit_features, train


@pytest.fixture(scope="module")
def whole_apart(small_market, quick, tmp_path_factory):
    run = tmp_path_factory.mktemp("whole-apart") / "run"
    train_apart(small_market, run, quick)
    return run


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(small_market, quick, whole, tmp_path):
    run, _ = whole
    train(small_market, tmp_path / "again", quick, None)
    assert weights(tmp_path / "again") == weights(run)
    train(small_market, tmp_path / "other", quick.model_copy(update={"seed": 5}), None)
    assert weights(tmp_path / "other") != weights(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    "step, after",
    [(3, Trained), (23, Validated)],
    ids=["before the first checkpoint", "right after a validation"],
)
def test_killed_and_resumed_ends_with_the_same_weights(
    small_market, quick, whole, whole_apart, tmp_path, step, after
):
    progress, run = whole[1], whole_apart
    first_epoch = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    validations = [entry["step"] for entry in first_epoch if "validation recall@30" in entry]
    step = validations[0] if after is Validated else step
    assert step < progress.step
    kill_at(small_market, tmp_path / "run", quick, step, after)
    assert not (tmp_path / "run" / "run.toml").exists()
    with pytest.raises(VibesError, match="has not finished"):
        Run.open(tmp_path / "run")
    train_apart(small_market, tmp_path / "run", quick, resume=True)
    assert weights(tmp_path / "run") == weights(run)
    assert (tmp_path / "run" / "train.jsonl").read_text() == (run / "train.jsonl").read_text()


def test_training_beats_chance_clearly(whole, small_market):
    _, progress = whole
    log, catalogue = EventLog.from_market(small_market), Catalogue.of(small_market)
    candidates = catalogue.candidates(log, make_split(log, catalogue).valid).sum(axis=1)
    assert progress.best > 1.3 * (30 / candidates).mean()


def test_the_run_says_what_it_is(whole, small_market):
    run, _ = whole
    manifest = Manifest.load(run)
    assert manifest.fingerprint == manifest.trained_on == small_market.fingerprint
    assert manifest.settings.split.protocol == "temporal" and manifest.settings.split.t1 is not None
    assert {"python", "torch", "numpy"} <= set(manifest.versions)
    assert not (run / ".training").exists()


def test_the_lines_tell_the_smooth_recall_that_the_kept_weights_are_best_by(whole):
    run, state = whole
    lines = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    found = {line["step"]: line for line in lines if "validation recall@30" in line}
    smooth = {step: line["validation smooth recall@30"] for step, line in found.items()}
    assert max(smooth, key=lambda step: smooth[step]) == state.best_step
    assert smooth[state.best_step] == state.best_smooth
    assert found[state.best_step]["validation recall@30"] == state.best


def test_what_training_cannot_know_yet_fits_nothing(small_market, quick, tmp_path):
    """Neither listings that come later nor how long later events last."""
    data = TrainingData.of(small_market, quick.split)
    later = np.setdiff1d(np.arange(data.log.listings), data.known)
    listings, duration = small_market.listings.copy(), data.log.duration.copy()
    listings.loc[later, ["district", "price"]] = ["Atlantis", 10**9]
    duration[~data.split.train] *= 1000
    changed = replace(data, log=replace(data.log, duration=duration))
    fitted = [
        fit_features(Job([market], [None], tmp_path, False, silent, None, None), quick, [seen])[
            1
        ].featurizer.vocabulary
        for market, seen in ((small_market, data), (replace(small_market, listings=listings), changed))
    ]
    assert len(later) > 5 and fitted[0].duration_edges and fitted[0] == fitted[1]


def test_a_finished_run_is_not_overwritten(whole, small_market, quick):
    with pytest.raises(VibesError, match="already holds a finished run"):
        train(small_market, whole[0], quick, None)


def test_nothing_to_resume(small_market, quick, tmp_path):
    with pytest.raises(VibesError, match="no interrupted training"):
        train(small_market, tmp_path / "run", quick, None, resume=True)


@pytest.mark.slow
def test_an_unfinished_training_is_not_begun_anew_by_accident_nor_resumed_with_other_settings(
    small_market, quick, tmp_path
):
    run = tmp_path / "run"
    kill_at(small_market, run, quick, 3)
    with pytest.raises(VibesError, match="--resume"):
        train(small_market, run, quick, None)
    with pytest.raises(VibesError, match="seed = 0, not 9"):
        train(small_market, run, quick.model_copy(update={"seed": 9}), None, resume=True)
    named = Resolved(preset="mini")  # the default, and not what was asked for then
    with pytest.raises(VibesError, match="preset = tiny, not mini; resume it without that option"):
        train(small_market, run, named, None, resume=True)
    with pytest.raises(
        VibesError, match=r"had training\.batch = 16, not 17; resume it without that option\.$"
    ):
        train(small_market, run, changed(quick, batch=17), None, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("history", ["listing-vectors", "cls"])
def test_what_is_unwanted_and_not_learned_is_not_read(quick, tmp_path, history):
    rng, count = np.random.default_rng(0), 600
    listings = pd.DataFrame(
        {"listing_id": [f"l{row}" for row in range(40)], "kind": rng.choice(list("abcd"), 40)}
    )
    listings["price"] = rng.integers(1, 100, 40)
    events = pd.DataFrame(
        {
            "user_id": np.append(np.arange(40), rng.integers(0, 40, count - 40)).astype(str),
            "listing_id": [f"l{row}" for row in rng.integers(0, 40, count)],
            "timestamp": pd.date_range("2024-01-01", periods=count, freq="3h", tz="UTC"),
            "action": ["view"] * 40 + ["hide" if one else "view" for one in rng.random(count - 40) < 0.3],
        }
    )
    t1, t2 = (events["timestamp"].iloc[row].value for row in (420, 480))
    settings = quick.model_copy(
        update={"features": FeatureConfig(text=False, meta=False), "history": history}
    )
    settings = Resolved.of(settings, split={"protocol": "temporal", "t1": t1, "t2": t2})
    losses, recalls = {}, {}
    for name, told in (("with", events), ("without", events[events["action"] == "view"])):
        market = Market.from_frames(
            listings, told, path=tmp_path / f"{name}-market", actions=["view", "hide"]
        )
        train(market, tmp_path / name, settings, None)
        assert not Manifest.load(tmp_path / name).settings.training.unwanted_learned
        lines = [json.loads(line) for line in (tmp_path / name / "train.jsonl").read_text().splitlines()]
        losses[name] = [line["loss"] for line in lines if "loss" in line]
        recalls[name] = [line["validation recall@30"] for line in lines if "validation recall@30" in line]
    assert losses["with"] == losses["without"] and len(losses["with"]) > 3
    assert recalls["with"] and all(0 < one <= 1 for one in recalls["with"])


def test_a_market_without_events_cannot_train(tiny_market, quick, tmp_path):
    market = Market.open(tiny_market(events_per_user=0))
    with pytest.raises(VibesError, match="no events"):
        train(market, tmp_path / "run", quick, None)
    assert not (tmp_path / "run").exists()


def test_a_market_of_one_listing_cannot_train(tmp_path, quick):
    pd.DataFrame({"listing_id": ["a"], "price": [1]}).to_csv(tmp_path / "listings.csv", index=False)
    pd.DataFrame({"user_id": ["u"] * 4, "listing_id": ["a"] * 4, "position": range(4)}).to_csv(
        tmp_path / "events.csv", index=False
    )
    with pytest.raises(VibesError, match="at least 2"):
        train(Market.open(tmp_path), tmp_path / "run", quick, None)


def test_users_who_touched_one_listing_only_teach_nothing(tmp_path, quick):
    pd.DataFrame({"listing_id": list("abc"), "price": [1, 2, 3]}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    pd.DataFrame(
        {
            "user_id": list("uvw"),
            "listing_id": list("abc"),
            "timestamp": ["2024-01-01", "2024-01-02", "2024-01-03"],
        }
    ).to_csv(tmp_path / "events.csv", index=False)
    with pytest.raises(VibesError, match=r"nothing to learn from|at least 2"):
        train(Market.open(tmp_path), tmp_path / "run", quick, None)
