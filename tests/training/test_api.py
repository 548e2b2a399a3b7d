"""`listing_vibes.train`: the run that the command writes, from whatever a notebook has."""

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


def test_a_folder_and_frames_give_the_same_run(small_market, quick, whole, tmp_path, capfd):
    run = train(small_market.path, str(tmp_path / "run"), quick, progress=True)
    assert isinstance(run, Run) and run.market.path == small_market.path
    output = capfd.readouterr()
    assert output.out == "" and "validation recall@30" in output.err
    for name in ("model.safetensors", "listings.safetensors", "vocabulary.json", "run.toml", "train.jsonl"):
        assert (run.path / name).read_bytes() == (whole[0] / name).read_bytes(), name
    frames = [pd.read_parquet(small_market.path / f"{table}.parquet") for table in ("listings", "events")]
    market = Market.from_frames(*frames, config=small_market.config)
    updates: list[Update] = []
    other = train(market, tmp_path / "other", quick, progress=updates.append)
    assert (other.path / "listings.safetensors").read_bytes() == (
        run.path / "listings.safetensors"
    ).read_bytes()
    stages = [update.what for update in updates if isinstance(update, Stage)]
    assert stages[0] == "features" and "embedding" in stages
    assert any(isinstance(update, Validated) for update in updates)
    user = run.log.users[0]
    assert other.market is market
    pd.testing.assert_frame_equal(other.recommend(user, 5), run.recommend(user, 5))


def test_keys_replace_single_settings_of_a_file(tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text("seed = 3\npreset = 'small'\n[training]\nbatch = 64\nfresh = 8\n")
    found = Settings.of(file, preset="tiny", seed=None, training={"fresh": 16})
    assert found.model_dump(exclude_unset=True) == {  # only these count as set
        "seed": 3, "preset": "tiny", "training": {"batch": 64, "fresh": 16},
    }  # fmt: skip
    assert Settings.of(found, training={"fresh": 8}) == Settings.of(file, preset="tiny")
    assert Settings.of(None) == Settings()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"preset": "huge"}, "'preset' is 'huge'"),
        ({"training": {"steps": 3}}, r"'training\.steps'; write 'training\.max_steps'"),
        ({"max_steps": 3}, r"'max_steps'; write 'training\.max_steps', or remove it\.$"),
        ({"config": {"encoder": {"layerz": 3}}}, r"unknown key 'layerz'; write 'layers', or remove it\.$"),
        ({"encoder": {"layers": 3}}, "config="),
        ({"config": {"encoder": {"width": 7}}}, "width 7"),
        ({"init": "x" * 5000, "seed": -1}, r"^.{,80}$"),
        ({"protocol": "guess"}, "'split.protocol' is 'guess'"),
        ({"config": "nowhere.toml"}, "nowhere.toml"),
        ({"everything": True}, "--refit RUN"),
        ({"resume": True}, "no interrupted training"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_nothing_is_written(
    small_market, tmp_path, settings, named
):
    with pytest.raises(VibesError, match=named) as caught:
        train(small_market, tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_refit_is_the_run_until_its_test_with_the_same_blends(small_market, whole, tmp_path):
    measured = Path(shutil.copytree(whole[0], tmp_path / "measured"))
    evaluate(measured)
    again = train(small_market, tmp_path / "again", refit=Run.open(measured))
    before, after = Manifest.load(measured), again.manifest
    assert after.settings.split.t1 == before.settings.split.t2 and after.steps == before.steps
    assert load_fits(again.path) == load_fits(measured) != []
    with pytest.raises(VibesError, match=r"takes all settings from .*; leave out seed"):
        train(small_market, tmp_path / "third", refit=measured, seed=1)
