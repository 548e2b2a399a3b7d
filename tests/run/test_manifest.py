"""run.toml: what it does not say has its default, and what does not fit the weights is told."""

import json
import shutil
import tomllib

import pytest
import tomli_w

from helpers.copies import resealed
from listing_vibes.errors import VibesError
from listing_vibes.model.settings import Settings
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run


def changed(run, change):
    content = tomllib.loads((run / "run.toml").read_text())
    change(content)
    (run / "run.toml").write_text(tomli_w.dumps(content))


def keep_removed(run, **features):
    """Let a run hold what versions of before stored: settings that are gone, in both files that have them."""

    def store(content):
        content["settings"]["training"] |= {"token_dropout": 0.0, "positive_vectors": "fresh", "clip": 0.5}
        content["settings"]["features"] |= gone

    gone = {"photo_start": "identity", "photo_control": "none", "bins": 4, "control_seed": 9, **features}
    vocabulary = json.loads((run / "vocabulary.json").read_text())
    vocabulary["config"] |= gone
    (run / "vocabulary.json").write_text(json.dumps(vocabulary))
    resealed(run)
    changed(run, store)


@pytest.mark.parametrize(("mode", "photos"), [("tokens", 4), ("cover", 1), ("none", 0)])
def test_a_run_that_stores_settings_which_are_gone_opens_as_before(trained, tmp_path, mode, photos):
    shutil.copytree(trained.path, tmp_path / "run")
    keep_removed(tmp_path / "run", photo_mode=mode)
    run = Run.open(tmp_path / "run", trained.market)
    assert run.manifest.settings.features.photos == photos
    assert run.engine.featurizer.config.photos == photos
    if mode == "tokens":
        assert run.manifest.settings == trained.manifest.settings


def test_what_a_user_says_and_what_training_chose_stand_apart(trained, tmp_path):
    content = tomllib.loads((trained.path / "run.toml").read_text())
    assert Settings.of(content["settings"]).preset == trained.manifest.settings.preset  # may be given again
    assert content["resolved"]["positions"] == trained.manifest.settings.positions
    old = {**content.pop("resolved")}
    for table in ("training", "split"):  # as versions of before stored it
        content["settings"][table] |= old.pop(table)
    content["settings"] |= old
    (tmp_path / "run.toml").write_text(tomli_w.dumps(content))
    assert Manifest.load(tmp_path) == trained.manifest


def test_a_run_that_needs_a_setting_which_is_gone_is_refused_in_one_sentence(trained, tmp_path):
    shutil.copytree(trained.path, tmp_path / "run")
    keep_removed(tmp_path / "run", photo_mode="mean")
    with pytest.raises(
        VibesError, match=r"run\.toml: features\.photo_mode is 'mean', which was removed; train"
    ):
        Run.open(tmp_path / "run")


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("training", "token_dropout", 0.0), ("training", "positive_vectors", "bank"),
        ("training", "clip", 1.0), ("features", "meta_control", "permuted"), ("features", "bins", 24), ("split", "t1", 3),
        ("training", "recency_served", True),
        ("features", "photo_mode", "cover"), ("features", "photo_start", "identity"),
    ],
)  # fmt: skip
def test_who_gives_a_setting_that_is_gone_reads_what_to_do(table, key, value):
    with pytest.raises(
        VibesError, match=rf"^Settings: {table}\.{key} (was removed:|is chosen by training;) [^\n]+\.$"
    ):
        Settings.of({table: {key: value}})
    with pytest.raises(VibesError, match=r"^Settings: history = 'readout' was removed: [^\n]+\.$"):
        Settings.of(history="readout")


def test_a_file_of_a_run_is_no_run(trained, tmp_path):
    with pytest.raises(VibesError, match=f"is a file, not a run; give .* {trained.path}.$"):
        Run.open(trained.path / "listings.safetensors")
