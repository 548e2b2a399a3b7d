"""Trainings on a small market: resumable after a real kill -9, repeated on what they were validated on, and clear about bad input."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tomli_w

import listing_vibes.training.checkpoints as checkpoints_module
from helpers.killing import kill_at, run_apart, train_apart, weights
from helpers.trainings import changed, pieces
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import WITHIN
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.market_summary import TransferReport
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import Resolved, ResolvedSplit, ResolvedTraining
from listing_vibes.progress import Trained, Validated, silent
from listing_vibes.run.blends import copy_blends, load_blends
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import NEAR_RECENT
from listing_vibes.training import validation as module
from listing_vibes.training.api import refit_settings
from listing_vibes.training.checkpoints import Checkpoints
from listing_vibes.training.examples import TrainingData
from listing_vibes.training.train import TrainingJob, fit_features, train


def lines_of(run):
    return [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("history", "training", "when"),
    [
        ("cls", {"recipe": "two-stage", "pretrain_steps": 60, "max_steps": 30}, "between checkpoints"),
        ("listing-vectors", {"window_listings": 60, "recency_days": 30}, "after a validation"),
    ],
)
def test_killed_and_resumed_ends_with_the_same_weights_and_a_run_that_recommends(
    small_market, quick, tmp_path, history, training, when
):
    whole, run = tmp_path / "whole", tmp_path / "run"
    settings = changed(quick.model_copy(update={"history": history}), **training)
    train_apart(small_market, whole, settings)
    validated = [line["step"] for line in lines_of(whole) if "validation recall@30" in line]
    steps = {
        "between checkpoints": max(line["step"] for line in lines_of(whole)) * 2 // 3,
        "after a validation": validated[len(validated) // 2],
    }
    kill_at(small_market, run, settings, steps[when], Validated if when == "after a validation" else Trained)
    assert not (run / "run.toml").exists()
    with pytest.raises(VibesError, match="has not finished"):
        Run.open(run)
    with pytest.raises(VibesError, match="--resume"):
        train(small_market, run, settings, None)
    other_seed, other_batch = settings.model_copy(update={"seed": 9}), changed(settings, batch=17)
    for other in (other_seed, Resolved(preset="mini"), other_batch):
        with pytest.raises(VibesError, match="resume it without that option"):
            train(small_market, run, other, None, resume=True)
    train_apart(small_market, run, settings, resume=True)
    assert weights(run) == weights(whole) and lines_of(run) == lines_of(whole)
    opened = Run.open(run)
    assert len(opened.recommend(opened.log.users[0], 5)) == 5


@pytest.mark.slow
def test_the_run_describes_itself_and_beats_chance(whole, small_market):
    run, state = whole
    manifest = Manifest.load(run)
    assert manifest.fingerprint == manifest.trained_on == small_market.fingerprint
    assert manifest.settings.split.protocol == "temporal" and manifest.settings.split.t1 is not None
    assert {"python", "torch", "numpy"} <= set(manifest.versions) and not (run / ".training").exists()
    found = {line["step"]: line for line in lines_of(run) if "validation recall@30" in line}
    smooth = {step: line["validation smooth recall@30"] for step, line in found.items()}
    assert max(smooth, key=lambda step: smooth[step]) == state.best_step
    assert smooth[state.best_step] == state.best_smooth
    assert found[state.best_step]["validation recall@30"] == state.best
    log, catalogue = EventLog.from_market(small_market), Catalogue.of(small_market)
    candidates = catalogue.candidates(log, make_split(log, catalogue).valid).sum(axis=1)
    assert state.best > 1.3 * (30 / candidates).mean()


def test_features_are_not_fitted_on_later_listings_and_durations(small_market, quick, tmp_path):
    data = TrainingData.of(small_market, quick.split)
    later = np.setdiff1d(np.arange(data.log.listings), data.known)
    listings, duration = small_market.listings.copy(), data.log.duration.copy()
    listings.loc[later, ["district", "price"]] = ["Atlantis", 10**9]
    duration[~data.split.train] *= 1000
    other = replace(data, log=replace(data.log, duration=duration))
    vocabularies = [
        fit_features(TrainingJob([market], [None], tmp_path, False, silent, None, None), quick, [seen])[
            1
        ].featurizer.vocabulary
        for market, seen in ((small_market, data), (replace(small_market, listings=listings), other))
    ]
    assert len(later) > 5 and vocabularies[0].duration_edges and vocabularies[0] == vocabularies[1]


def test_a_finished_run_is_not_overwritten_and_there_may_be_nothing_to_resume(
    trained, small_market, quick, tmp_path
):
    with pytest.raises(VibesError, match="already holds a finished run"):
        train(small_market, trained.path, quick, None)
    with pytest.raises(VibesError, match="no interrupted training"):
        train(small_market, tmp_path / "run", quick, None, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("history", ["listing-vectors", "cls"])
def test_unwanted_events_that_are_not_learned_are_not_read(quick, tmp_path, history):
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
    features = FeatureConfig(text=False, meta=False)
    settings = quick.model_copy(update={"features": features, "history": history})
    settings = Resolved.of(settings, split={"protocol": "temporal", "t1": t1, "t2": t2})
    losses, recalls = {}, {}
    for name, given in (("with", events), ("without", events[events["action"] == "view"])):
        market = Market.from_frames(listings, given, actions=["view", "hide"])
        market = market.save(tmp_path / f"{name}-market")
        train(market, tmp_path / name, settings, None)
        lines = lines_of(tmp_path / name)
        losses[name] = [line["loss"] for line in lines if "loss" in line]
        recalls[name] = [line["validation recall@30"] for line in lines if "validation recall@30" in line]
    assert losses["with"] == losses["without"] and len(losses["with"]) > 3
    assert recalls["with"] and all(0 < one <= 1 for one in recalls["with"])


@pytest.mark.parametrize(
    ("listings", "events", "reason"),
    [
        ("abc", "", "no events"),
        ("a", "aaaa", "at least 2"),
        ("abc", "abc", "nothing to learn from|at least 2"),  # each of another user
    ],
)
def test_a_market_without_anything_to_learn_is_refused(tmp_path, quick, listings, events, reason):
    table = pd.DataFrame({"listing_id": list(listings), "price": range(len(listings))})
    users = ["u"] * len(events) if len(set(events)) < 2 else list("uvw")
    log = pd.DataFrame({"user_id": users, "listing_id": list(events), "position": range(len(events))})
    market = Market.from_frames(table, log if events else None).save(tmp_path / "market")
    with pytest.raises(VibesError, match=reason):
        train(market, tmp_path / "run", quick, None)
    assert not (tmp_path / "run" / "run.toml").exists()


def test_only_what_decides_a_rank_is_encoded_and_the_figure_is_that_of_all(small_market, quick, monkeypatch):
    """A third of the catalogue ends before the first moment of validation."""
    data = TrainingData.of(small_market, quick.split)
    valid, since, until = data.split.valid, data.catalogue.since, data.catalogue.until.copy()
    gone = np.arange(data.log.listings) % 3 == 0
    gone[valid.target] = False
    until[gone] = np.minimum(until[gone], valid.at.min())
    data = replace(data, catalogue=Catalogue(since, until))
    model, step_data = pieces(small_market, quick)
    encoded, encode = [], module.encode_listings

    def record(model, inputs, rows, **options):
        encoded.append(rows)
        return encode(model, inputs, rows, **options)

    monkeypatch.setattr(module, "encode_listings", record)
    parts = [(data, step_data.inputs)]
    found = module.validation(parts, quick)(model)
    monkeypatch.setattr(module, "_needed", lambda log, queries, catalogue: np.arange(log.listings))
    assert found == module.validation(parts, quick)(model) and found[0] > 0
    few, every = encoded
    assert len(every) == data.log.listings and len(few) < 0.9 * len(every)
    active = data.catalogue.candidates(data.log, valid).any(axis=0)
    history = np.concatenate([data.log.listing[a:b] for a, b in zip(valid.start, valid.end, strict=True)])
    assert np.isin(np.flatnonzero(active), few).all() and np.isin(history, few).all()


TRAIN = [sys.executable, "-c", "from listing_vibes.cli import main; main()", "train"]


def steps_of(run):
    """The steps that `train.jsonl` holds, in its order."""
    try:
        lines = (run / "train.jsonl").read_text().splitlines()
        return [entry["step"] for entry in map(json.loads, lines) if "loss" in entry]
    except (OSError, ValueError):  # the last line is being written
        return []


@pytest.mark.slow
def test_a_signal_loses_no_step_and_the_rest_is_as_if_it_never_came(small_market, quick, tmp_path):
    settings = changed(quick, bf16=False, checkpoint_every=10_000)
    run, config = tmp_path / "run", tmp_path / "config.toml"
    config.write_text(tomli_w.dumps(settings.model_dump(exclude_unset=True)))
    command = [*TRAIN, str(small_market.path), str(run), "--config", str(config)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while len(steps_of(run)) < 7:
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    stderr = child.communicate()[1]
    assert child.returncode == 128 + signal.SIGTERM, stderr
    done = steps_of(run)[-1]
    assert done >= 7 and f"after step {done};" in stderr and "Traceback" not in stderr
    again = subprocess.run([*command, "--resume"], stderr=subprocess.PIPE, text=True, check=True)
    assert f"continues from step {done} of" in again.stderr
    train_apart(small_market, tmp_path / "whole", settings)
    assert steps_of(run) == steps_of(tmp_path / "whole")
    assert weights(run) == weights(tmp_path / "whole")


@pytest.mark.parametrize(("every", "cost", "expected"), [(5, 0, [3, 5, 8, 10]), (100, 10, [3, 11])])
def test_a_checkpoint_is_due_by_steps_and_by_time(monkeypatch, every, cost, expected):
    written, clock = [], [0.0]
    monkeypatch.setattr(checkpoints_module.time, "monotonic", lambda: clock[0])

    def write():
        written.append(step)
        clock[0] += cost  # of a large model it takes long, and comes less often

    checkpoints = Checkpoints(every, write, print)
    for step in range(1, 13):
        clock[0] += 25
        checkpoints.after_step(step)
    assert written == expected


def _interrupt(number):
    """Work in a process of its own, where no library has changed what its signals do."""
    for one, handler in {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}.items():
        signal.signal(one, handler)
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    ends, written, told = (SystemExit, KeyboardInterrupt)[number == signal.SIGINT], [], []
    checkpoints = Checkpoints(100, lambda: written.append(1), told.append)
    with pytest.raises(ends), checkpoints.handle_signals():
        checkpoints.after_step(1)
        signal.raise_signal(number)
        time.sleep(0.01)  # the step goes on
        assert not written
        checkpoints.after_step(2)
    assert written == [1] and "step 2" in told[0].text
    checkpoints = Checkpoints(100, lambda: written.append(1), told.append)
    with pytest.raises(ends), checkpoints.handle_signals():
        signal.raise_signal(number)
        signal.raise_signal(number)
        time.sleep(1)
        pytest.fail("the second signal ends it")
    with pytest.raises(ends), checkpoints.handle_signals():
        signal.raise_signal(number)  # after the last step
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == before
    assert len(written) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_step_and_a_second_one_does_not(number):
    code, told = run_apart(_interrupt, number)
    assert code == 0, told


CARRIED = TransferReport(run="first", market_name="Before", learned=True)


@pytest.fixture(scope="module")
def again(small_market, whole, tmp_path_factory):
    run = tmp_path_factory.mktemp("again") / "run"
    settings = refit_settings(whole[0], small_market)
    return run, train(small_market, run, settings, None, refit_of=whole[0])


def rates(run):
    lines = [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]
    return [line["rate"] for line in lines if "rate" in line], [line for line in lines if "rate" not in line]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_test_is_the_same_and_what_serving_adds_is_weighed_as_before(whole, again):
    before, after = evaluate_run(Run.open(whole[0])), evaluate_run(Run.open(again[0]))
    np.testing.assert_array_equal(before.queries.event, after.queries.event)
    assert after.notes["baselines"] == WITHIN and "baselines" not in before.notes
    assert NEAR_RECENT in after.results  # what is to be had without any model
    assert not [name for name in after.results if name.startswith("model +")]  # nothing could be fitted
    save_metrics(Run.open(whole[0]), before)
    copy_blends(whole[0], again[0])
    after = evaluate_run(Run.open(again[0]))
    rows = [
        "model + recency",
        "model + neighbors",
        "model + neighbors + recency",
        "model + ids",
        "model + covisits",
    ]
    assert [name for name in after.results if name.startswith("model +")] == rows
    assert {name: after.notes[name] for name in rows} == {name: before.notes[name] for name in rows}
    save_metrics(Run.open(again[0]), after)
    assert load_blends(again[0]) == load_blends(whole[0])


@pytest.mark.slow
def test_steps_that_stop_early_keep_the_schedule(small_market, quick, whole, tmp_path):
    train(small_market, tmp_path / "run", changed(quick, stop_after=21), None)
    steps, all_steps = (rates(run)[0] for run in (tmp_path / "run", whole[0]))
    assert len(steps) == 21 < len(all_steps) and steps == all_steps[:21]


@pytest.mark.slow
def test_everything_leaves_nothing_to_test_on(small_market, whole, tmp_path):
    settings = refit_settings(whole[0], small_market, everything=True)
    train(small_market, tmp_path / "run", settings, None)
    run = Run.open(tmp_path / "run")
    assert run.trained_on_everything and not Run.open(whole[0]).trained_on_everything
    with pytest.raises(VibesError, match="nothing left to test it on; evaluate the run that it repeats"):
        evaluate_run(run)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_without_a_model_is_named(small_market, tmp_path):
    embed_market(small_market, tmp_path / "run", None)
    with pytest.raises(VibesError, match="name a run of `vibes train`"):
        refit_settings(tmp_path / "run", small_market)
