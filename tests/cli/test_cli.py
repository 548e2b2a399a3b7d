"""The command line: what it prints, where, and how it ends."""

import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from helpers.commands import ROOT, rules_file, vibes
from helpers.small_market import generate
from listing_vibes import __version__
from listing_vibes.cli.options import Baselines, Preset, Protocol
from listing_vibes.cli.shared import app
from listing_vibes.evaluation import result
from listing_vibes.market import splits
from listing_vibes.model.encoder_config import PRESETS
from listing_vibes.model.settings import Settings
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run

LISTING = "home-0003"
#: Prints which of these modules a command loaded.
LOADED = """
import sys; sys.argv = ['vibes', *{words!r}]
from listing_vibes import cli
try: cli.main()
except SystemExit: pass
print([name for name in {modules!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A market, a configuration, and a run trained by the command itself."""
    folder = tmp_path_factory.mktemp("cli")
    generate(folder / "market", listings=150, users=120, seed=4)
    (folder / "quick.toml").write_text(
        'preset = "tiny"\nencoder = {layers = 1, width = 32, heads = 2, ffn = 64}\n'
        "[features]\ntext = false\n[training]\nbatch = 32\nfresh = 16\nmax_epochs = 1\n"
    )
    vibes("train", folder / "market", folder / "run", "--config", folder / "quick.toml", "--seed", "3")
    return folder


def test_train_records_its_configuration(folders):
    written = tomllib.loads((folders / "run" / "run.toml").read_text())
    assert written["settings"]["seed"] == 3 and written["settings"]["training"]["fresh"] == 16


@pytest.mark.slow
def test_evaluate_prints_json_and_nothing_else_and_writes_queries(folders, tmp_path):
    run, out = tmp_path / "run", tmp_path / "queries.parquet"
    shutil.copytree(folders / "run", run)  # the other tests' run is one that was not evaluated
    document = json.loads(vibes("evaluate", run, "--json", "--queries", out).stdout)
    baselines = {"popularity", "recent popularity", "ItemKNN", "EASE", "ALS"}
    assert {"default ranking", "model only"} | baselines <= set(document["results"])
    recall = document["results"]["default ranking"]["recall@30"]
    assert {"value", "low", "high"} == set(recall)
    queries = pd.read_parquet(out)
    assert len(queries) == document["queries"]
    assert list(queries) == [
        "user_id", "at", "target", "rank", "candidates", "history_length", "cold_listing", "cold_user",
    ]  # fmt: skip
    hits = (queries["rank"] <= 30).groupby(queries["user_id"]).mean().mean()
    assert hits == pytest.approx(recall["value"], abs=1e-12)
    assert Run.open(run).metrics == document


@pytest.mark.slow
def test_a_process_of_its_own_prints_the_same_tables_and_json(folders, tmp_path):
    run, user = folders / "run", pd.read_parquet(folders / "market" / "events.parquet")["user_id"].iloc[0]
    assert json.loads(vibes("check", folders / "market", "--json").stdout)
    assert "score" in vibes("similar", run, LISTING, "-k", 3).stdout
    found = json.loads(vibes("similar", run, LISTING, "-k", 3, "--json", "--space", "attributes").stdout)
    assert len(found) == 3 and set(found[0]) == {"listing_id", "score"}
    assert len(json.loads(vibes("recommend", run, user, "-k", 4, "--json").stdout)) == 4
    history = folders / "history.json"
    history.write_text(
        json.dumps({"history": [{"listing_id": LISTING, "action": "view", "duration_s": 12.5}]})
    )
    command = [sys.executable, "-m", "listing_vibes", "recommend", run, "--history", history, "--json"]
    apart = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=ROOT).stdout)
    here = json.loads(vibes("recommend", run, "--history", history, "--json").stdout)
    assert [row["listing_id"] for row in apart] == [row["listing_id"] for row in here] and len(here) == 30
    vibes("similar", run, "nowhere", check=1)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["check", "{f}/nowhere"], "no market folder"),
        (["similar", "{f}/run", LISTING, "--rules", "{f}/nowhere.json"], "not a file"),
        (["similar", "{f}/nowhere", "x"], "not a run folder"),
        (["recommend", "{f}/run"], "a history with --history FILE"),
        (["recommend", "{f}/run", "user-0001", "--at", "noon"], "at is 'noon'"),
        (["recommend", "{f}/run", "--history", "{f}/nowhere.json"], "Cannot read the history"),
        (["train", "{f}/market", "{f}/new", "--preset", "huge"], "preset"),
        (["train", "{f}/market", "{f}/new", "--config", "{f}/nowhere.toml"], "nowhere.toml"),
        (["train", "{f}/new"], "vibes train MARKET RUN"),
        (["train", "{f}/market", "{f}/run"], "already holds a finished run"),
        (["train", "{f}/market", "{f}/new", "--resume"], "no interrupted training"),
        (["train", "{f}/market", "{f}/new", "--refit", "{f}/run", "--seed", "1"], "leave out seed"),
        (["train", "{f}/market", "{f}/new", "--everything"], "--everything goes with --refit RUN"),
        (["batch", "{f}/run", "{f}/new", "--blend", "luck"], "luck"),
        (["batch", "{f}/run", "{f}/new", "--blend", "ids", "--kind", "listings"], "not for --kind listings"),
        (["batch", "{f}/run", "{f}/new", "--at", "noon"], "at is 'noon'"),
        (["refresh", "{f}/run"], "no source to read"),
        (["refresh", "{f}/run", "--events", "SELECT 1"], "neither a folder nor a query with --database"),
        (["refresh", "{f}/run", "--events", ".", "--every", "often"], "--every is 'often'"),
        (["serve", "{f}/run", "{f}/run", "--port", "0"], "give --impressions PLACE"),
        (["serve", "{f}/run", "--hash-users", "--port", "0"], "give --impressions PLACE"),
        (["serve", "{f}/run", "--other-blend", "recency", "--port", "0"], "needs two runs"),
        (["monitor", "{f}/run", "--thresholds", "{f}/quick.toml"], "unknown key 'preset'"),
        (["evaluate", "{f}/run", "--queries", "{f}/new.xlsx"], "ends in .parquet or .csv"),
        (["import", "zillow", "{f}", "{f}/new"], "zillow"),
        (["ablate", "{f}/market", "{f}/new", "--seeds", "one"], "--seeds is 'one'"),
        (["ablate", "{f}/market", "{f}/new", "--seeds", "1,1"], "not distinct"),
        (["ablate", "{f}/market", "{f}/new", "--grid", "nowhere.toml"], "nowhere.toml"),
        (["explore", "{f}/nowhere"], "not a run folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(folders, arguments, sentence):
    ended = vibes(*(part.format(f=folders) for part in arguments), check=2)
    assert sentence in ended.stderr and "Traceback" not in ended.stderr and ended.stdout == ""
    assert not (folders / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "modules"),
    [
        (["--help"], ["torch", "pandas", "numpy", "streamlit", "transformers", "implicit"]),
        (
            ["similar", "{f}/run", LISTING],
            ["torch", "scipy.sparse", "faiss", "sklearn", "pyarrow.dataset", "PIL", "listing_vibes.features.featurizer"],
        ),
    ],
    ids=["help", "similar"],
)  # fmt: skip
def test_a_command_loads_only_what_it_needs(folders, words, modules):
    code = LOADED.format(words=[word.format(f=folders) for word in words], modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.splitlines()[-1] == "[]" and done.stdout


def test_the_help_names_every_command_in_a_group_with_a_whole_sentence():
    text = vibes("--help").stdout
    groups = [line for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert groups == ["Options:", "Data:", "Model:", "Use:", "Production:"]
    names = re.findall(r"^  (\w+)", text.split("Data:")[1], re.MULTILINE)
    assert sorted(names) == sorted(typer.main.get_command(app).commands)
    assert "..." not in text.split("Data:")[1]
    assert vibes("--version").stdout == f"vibes {__version__}\n"


def test_the_choices_of_options_are_those_of_the_settings():
    assert get_args(Protocol) == get_args(splits.Protocol)
    assert get_args(Baselines) == get_args(result.Baselines)
    assert get_args(Preset) == tuple(PRESETS) == get_args(Settings.model_fields["preset"].annotation)


MOMENT = "2025-02-20T12:00"
AT = ("--at", MOMENT)
RULES = Rules(k=3, live_only=True, where=("price<=900", "rooms=2"))
SEARCH = "listing_vibes.insight.photo_search:search_photos"


class Called(Exception):
    """A call, raised instead of a result."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "function", "arguments", "named"),
    [
        (
            ["similar", "--text", "a bed", "-k", "3", "--where", "price<=900", "--where", "rooms=2", *AT],
            SEARCH, ("a bed", None, MOMENT, RULES), {},
        ),
        (["similar", "--photo", "a.jpg"], SEARCH, ("", None, None), {"photo": Path("a.jpg")}),
        (
            ["explain", "user-0001", "home-0003", *AT, "--blend", "recency"],
            "listing_vibes.insight.explain:explain_listing", ("user-0001", "home-0003", MOMENT, "recency"), {},
        ),
        (["demand", *AT], "listing_vibes.insight.demand:demand", (MOMENT,), {}),
        (["launch", "home-0003"], "listing_vibes.insight.launch:launch", ("home-0003",), {}),
    ],
    ids=["text", "photo", "explain", "demand", "launch"],
)  # fmt: skip
def test_every_option_reaches_its_function(trained, tmp_path, monkeypatch, words, function, arguments, named):
    def call(run, *given, **more):
        raise Called(run, given, more)

    module, name = function.split(":")
    monkeypatch.setattr(importlib.import_module(module), name, call)
    command, *rest = words
    rules = rules_file(tmp_path, live_only=True) if command == "similar" and "--text" in rest else []
    error = CliRunner().invoke(app, [command, str(trained.path), *rest, *rules]).exception
    assert isinstance(error, Called), error
    run, given, more = error.args
    assert run.path == trained.path and given[: len(arguments)] == arguments
    assert {key: more[key] for key in named} == named


@pytest.mark.parametrize(
    ("words", "possible"),
    [
        (["train", "{market}", "{run}-other"], ["vibes embed", "--history"]),
        (["evaluate", "{run}"], ["vibes similar", "--history"]),
        (["recommend", "{run}"], ["--history"]),
        (["compare", "{run}", "{run}"], ["which needs events"]),
    ],
    ids=lambda one: one[0],
)
def test_what_is_possible_without_events_is_said(bare, words, possible):
    told = vibes(*(word.format(market=bare.market.path, run=bare.path) for word in words), check=2).stderr
    assert all(part in told for part in possible) and "vibes check" not in told


def test_the_check_says_how_to_go_on_without_events(bare):
    assert "`vibes embed MARKET RUN`" in " ".join(vibes("check", bare.market.path).stdout.split())
