"""run.toml: what it does not say has its default, and what does not fit the weights is told."""

import shutil
import tomllib

import pytest
import tomli_w

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.model.settings import Settings
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run


def changed(run, change):
    content = tomllib.loads((run / "run.toml").read_text())
    change(content)
    (run / "run.toml").write_text(tomli_w.dumps(content))


def test_what_the_user_said_and_what_training_chose_are_two_tables(trained, tmp_path):
    content = tomllib.loads((trained.path / "run.toml").read_text())
    assert Settings.of(content["settings"]) == trained.manifest.settings.given  # may be given again
    assert (
        "max_steps" not in content["settings"]["training"] and content["settings"]["training"]["batch"] == 32
    )
    assert content["resolved"]["positions"] == trained.manifest.settings.positions
    trained.manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == trained.manifest


@pytest.mark.parametrize(
    "given", [{"training": {"value_rate": 1.0}}, {"split": {"t1": 3}}, {"positions": 16}]
)
def test_a_setting_that_training_chooses_cannot_be_given(given):
    with pytest.raises(VibesError, match="unknown key"):
        Settings.of(given)


def test_a_run_with_a_setting_of_another_version_is_refused_in_one_sentence(trained, tmp_path):
    shutil.copytree(trained.path, tmp_path / "run")
    changed(tmp_path / "run", lambda content: content["resolved"]["training"].update(token_dropout=0.1))
    with pytest.raises(VibesError, match=r"run\.toml: .*token_dropout[^\n]*\.$"):
        Run.open(tmp_path / "run")


@pytest.mark.parametrize("command", ["train", "embed"])
def test_a_run_of_another_format_names_the_command_that_creates_it_again(tmp_path, command):
    content = {"format": 2, "market": "../homes", "trained_on": "a" if command == "train" else ""}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_text(tomli_w.dumps(content))
    done = vibes("recommend", tmp_path / "run", "ann", check=2)
    assert f"`vibes {command} MARKET {tmp_path}/run-new`" in done.stderr and done.stderr.count("\n") == 1
