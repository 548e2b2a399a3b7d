"""`listing_vibes.train`: the run that the command writes, from whatever a notebook has at hand."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from listing_vibes import Market, Run, evaluate, train
from listing_vibes.errors import VibesError
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Stage, Update, Validated
from listing_vibes.run.fits import load_fits
from listing_vibes.run.manifest import Manifest

pytestmark = pytest.mark.slow


def test_it_writes_the_run_that_one_training_does(small_market, quick, whole, tmp_path):
    run = train(small_market.path, str(tmp_path / "run"), quick)
    assert isinstance(run, Run) and run.market.path == small_market.path
    for name in ("model.safetensors", "listings.safetensors", "vocabulary.json", "run.toml", "train.jsonl"):
        assert (run.path / name).read_bytes() == (whole[0] / name).read_bytes(), name


@pytest.mark.slow
def test_frames_are_trained_on_evaluated_and_asked(small_market, quick, whole, tmp_path, capfd):
    """The events of a run on frames are those of their folder, so the weights are, too."""
    market = Market.from_frames(
        pd.read_parquet(small_market.path / "listings.parquet"),
        pd.read_parquet(small_market.path / "events.parquet"),
        config=small_market.config,
    )
    events: list[Update] = []
    run = train(market, tmp_path / "run", quick, progress=events.append)
    assert (run.path / "listings.safetensors").read_bytes() == (
        whole[0] / "listings.safetensors"
    ).read_bytes()
    stages = [update.what for update in events if isinstance(update, Stage)]
    assert stages[0] == "features" and "embedding" in stages
    assert any(isinstance(update, Validated) for update in events)
    user = run.log.users[0]
    assert run.market is market
    pd.testing.assert_frame_equal(run.recommend(user, 5), Run.open(whole[0]).recommend(user, 5))
    assert len(evaluate(run, save=False).frame()) and not (run.path / "metrics.json").exists()
    said = capfd.readouterr()
    assert said.out == "" and "recall" not in said.err


def test_progress_is_told_on_stderr_where_it_is_asked_for(small_market, quick, tmp_path, capfd):
    train(small_market, tmp_path / "run", quick, training={"max_steps": 2}, progress=True)
    said = capfd.readouterr()
    assert said.out == "" and "validation recall@30" in said.err


def test_keys_replace_single_settings_of_a_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("seed = 3\npreset = 'small'\n[training]\nbatch = 64\nfresh = 8\n")
    found = Settings.of(file, preset="tiny", seed=None, training={"fresh": 16})
    assert (found.seed, found.preset, found.training.batch, found.training.fresh) == (3, "tiny", 64, 16)
    assert Settings.of(found, training={"fresh": 8}) == Settings.of(file, preset="tiny")
    assert Settings.of({"training": {"batch": 64}}).training.batch == 64
    assert Settings.of(found.training and None) == Settings()
    # only what was set counts as set: a training that is resumed compares just that
    assert Settings.of(found, seed=4).model_dump(exclude_unset=True) == {
        "seed": 4, "preset": "tiny", "training": {"batch": 64, "fresh": 16},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"preset": "huge"}, "Settings: 'preset' is 'huge': input should be 'tiny'"),
        (
            {"training": {"steps": 3}},
            "Settings: unknown key 'training.steps'; did you mean 'training.max_steps'",
        ),
        ({"epochs": 3}, "Settings: unknown key 'epochs'"),
        ({"max_steps": 3}, r"'max_steps'; did you mean 'training\.max_steps'\?$"),
        (
            {"config": {"encoder": {"layerz": 3}}},
            r"\[encoder\]: unknown key 'layerz'; did you mean 'layers'\?$",
        ),
        ({"encoder": {"layers": 3}}, r"sizes of the model go in config="),
        ({"features": {"foto": 3}}, r"did you mean 'features\.photos'\?$"),
        (
            {"config": {"encoder": {"width": 7}}},
            r"\[encoder\]: width 7 is not a multiple of heads 4; change one of them\.$",
        ),
        ({"init": "x" * 5000, "seed": -1}, r"^.{,80}$"),
        ({"preset": "x" * 5000}, r"^.{,200}$"),
        ({"protocol": "guess"}, "Settings: 'split.protocol' is 'guess'"),
        ({"config": "nowhere.toml"}, r"nowhere.toml \(No such file or directory\); check the path"),
        ({"everything": True}, "--everything goes with --refit RUN"),
        ({"resume": True}, "no interrupted training"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_nothing_is_written(
    small_market, tmp_path, settings, says
):
    with pytest.raises(VibesError, match=says) as caught:
        train(small_market, tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_overwritten(small_market, quick, whole):
    before = os.stat(whole[0] / "model.safetensors").st_mtime_ns
    with pytest.raises(VibesError, match="already holds a finished run"):
        train(small_market, whole[0], quick)
    assert os.stat(whole[0] / "model.safetensors").st_mtime_ns == before


def test_a_refit_is_the_run_until_its_test_and_serves_as_that_does(small_market, whole, tmp_path):
    measured = Path(shutil.copytree(whole[0], tmp_path / "measured"))
    evaluate(measured)
    again = train(small_market, tmp_path / "again", refit=Run.open(measured))
    settings = Manifest.load(measured).settings
    assert again.manifest.settings.split.t1 == settings.split.t2
    assert again.manifest.steps == Manifest.load(measured).steps
    assert load_fits(again.path) == load_fits(measured) != []
    with pytest.raises(VibesError, match=r"takes all settings from .*; leave out seed"):
        train(small_market, tmp_path / "third", refit=measured, seed=1)
