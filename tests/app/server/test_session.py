"""Names of runs and the state in the URL."""

import os
import shutil
import sys

import pytest
import streamlit as st

from listing_vibes.run.manifest import Manifest
from listing_vibes_app.server import params, runs


def test_runs_go_by_their_folder_and_are_numbered_where_two_share_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["main.py", "a/run", "b/run", "other", "c/run"])
    assert [*runs.run_paths()] == ["run", "run-2", "other", "run-3"]


def test_a_run_is_opened_once_and_again_when_it_was_written_anew(eventless, tmp_path, monkeypatch):
    run = tmp_path / "run"
    shutil.copytree(eventless, run)
    monkeypatch.setattr(sys, "argv", ["main.py", str(run)])
    first = runs.open_run("run")
    assert runs.open_run("run") is first
    Manifest.load(run).save(run)
    assert runs.open_run("run") is not first


@pytest.mark.parametrize("name", ["run.toml", "current.json", "listings.safetensors", "measured.json"])
def test_a_file_of_a_run_that_is_new_or_written_anew_has_it_opened_again(tmp_path, name):
    stamps = [runs._stamps(tmp_path)]
    for moment in (1e9, 2e9):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment, moment))
        stamps.append(runs._stamps(tmp_path))
    assert len(set(stamps)) == 3 and runs._stamps(tmp_path) == stamps[-1]


def test_parameters_out_of_range_are_held_within_it(monkeypatch):
    monkeypatch.setattr(
        st, "query_params", {"k": "7000", "page": "-3", "at": "x", "n": "9" * 30, "space": "taste"}
    )
    assert params.whole("k", 12, 1, 100) == 100
    assert params.whole("page", 1, 1, 9) == 1
    assert params.whole("at", 5, 1, 9) == 5
    assert params.whole("n", 4, 1, 9) == 4
    assert params.whole("missing", 3, 1, 9) == 3
    assert params.chosen("space", ["model", "photos"], "model") == "model"
