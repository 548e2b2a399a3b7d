"""The command line: what it prints, where, how it ends, and what hostile input makes of it."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from helpers.commands import ROOT, rules_file, vibes, vibes_apart
from helpers.small_market import generate
from listing_vibes import __version__
from listing_vibes.cli.options import Baselines, Preset, Protocol
from listing_vibes.cli.shared import app
from listing_vibes.evaluation import result
from listing_vibes.market import splits
from listing_vibes.model.config import PRESETS
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
    apart = json.loads(vibes_apart("recommend", run, "--history", history, "--json").stdout)
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
        (["recommend", "{f}/run", "user-0001", "--at", "noon"], "--at is 'noon'"),
        (["recommend", "{f}/run", "--history", "{f}/nowhere.json"], "Cannot read the history"),
        (["train", "{f}/market", "{f}/new", "--preset", "huge"], "preset"),
        (["train", "{f}/market", "{f}/new", "--config", "{f}/nowhere.toml"], "nowhere.toml"),
        (["train", "{f}/new"], "vibes train MARKET RUN"),
        (["train", "{f}/market", "{f}/run"], "already holds a finished run"),
        (["train", "{f}/market", "{f}/new", "--resume"], "no interrupted training"),
        (["train", "{f}/market", "{f}/new", "--refit", "{f}/run", "--seed", "1"], "leave out seed"),
        (["train", "{f}/market", "{f}/new", "--everything"], "--everything goes with --refit RUN"),
        (["batch", "{f}/run", "{f}/new", "--blend", "luck"], "luck"),
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


AT = ("--at", "2025-02-20T12:00")
MOMENT = pd.Timestamp("2025-02-20T12:00", tz="UTC").value
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


@pytest.fixture(scope="module")
def without_events(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    generate(folder / "market", listings=30, users=1)
    (folder / "market" / "events.parquet").unlink()
    vibes("embed", folder / "market", folder / "run")
    return folder


@pytest.mark.parametrize(
    ("words", "possible"),
    [
        (["train", "market", "other"], ["vibes embed", "--history"]),
        (["evaluate", "run"], ["vibes similar", "--history"]),
        (["recommend", "run"], ["--history"]),
        (["compare", "run", "run"], ["which needs events"]),
    ],
    ids=lambda one: one[0],
)
def test_what_is_possible_without_events_is_said(without_events, words, possible):
    command, *names = words
    told = vibes(command, *(without_events / name for name in names), check=2).stderr
    assert all(part in told for part in possible) and "vibes check" not in told


def test_the_check_says_how_to_go_on_without_events(without_events):
    assert "`vibes embed MARKET RUN`" in " ".join(vibes("check", without_events / "market").stdout.split())


LONG = "x" * 300


def refuse(*words: object) -> str:
    """Return the sentence that a command ends with."""
    done = vibes(*words, check=2)
    assert done.stdout == "" and "Traceback" not in done.stderr and "unexpected error" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("vibes: ") and len(line) < 1000
    return line


def test_a_count_beyond_all_numbers_is_all_there_are(bare, tmp_path):
    huge = "9" * 20
    found = vibes("similar", bare.path, bare.listing_ids[0], "-k", huge, "--json")
    assert found.stdout.count("listing_id") == len(bare.listing_ids) - 1
    vibes("batch", bare.path, tmp_path / "lists", "--kind", "listings", "-k", huge)
    assert len(pd.read_parquet(tmp_path / "lists")) == len(bare.listing_ids) * (len(bare.listing_ids) - 1)


def test_a_file_a_market_or_a_run_in_place_of_another(bare, tmp_path):
    (tmp_path / "file").touch()
    for command, *rest in (("similar", "a"), ("recommend", "a"), ("explore",), ("export",), ("forget", "a")):
        assert "is not a run folder" in refuse(command, tmp_path / "file", *rest)
    for command, *rest in (("evaluate",), ("similar", "a"), ("explore",)):
        assert "is not a run folder" in refuse(command, bare.market.path, *rest)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_bytes((bare.path / "run.toml").read_bytes())
    for command, *rest in (("check",), ("embed", tmp_path / "out")):
        assert "is a run, not a market" in refuse(command, tmp_path / "run", *rest)


@pytest.mark.slow
def test_names_that_no_file_system_takes(bare, tmp_path):
    for words in (
        ("similar", LONG, "a"), ("check", LONG), ("recommend", bare.path, "--history", f"{LONG}.json"),
        ("recommend", bare.path, "--history", f"{LONG}.csv"), ("batch", bare.path, tmp_path / LONG, "--kind", "listings"),
        ("import", "hm", LONG, tmp_path / "m"), ("forget", bare.path, "a", "--also", LONG),
    ):  # fmt: skip
        error = vibes(*words, check=2).stderr
        assert "too long" in error and "Traceback" not in error and "unexpected error" not in error


def test_parquet_that_is_no_text(tiny_market):
    path = tiny_market(photos=0)
    table = pq.read_table(path / "listings.parquet")
    broken = pa.Array.from_buffers(pa.string(), 12, [None, *pa.array([b"\xff\xfe"] * 12).buffers()[1:]])
    for name in ("listing_id", "title"):
        column = table.schema.get_field_index(name)
        pq.write_table(table.set_column(column, name, broken), path / "listings.parquet")
        refuse("check", path)
    pq.write_table(table, path / "listings.parquet")
    events = pq.read_table(path / "events.parquet").slice(0, 12)
    pq.write_table(events.set_column(0, "user_id", broken), path / "events.parquet")
    refuse("check", path)


RECORDER = ROOT / "tests" / "helpers" / "recorder"


def recorded(folder: Path, *line: object) -> list[str]:
    """What the recorder notes of a Python process and its children, which may write below `folder` alone."""
    (folder / "home").mkdir()
    places = [RECORDER, ROOT / "tests", ROOT / "core", ROOT / "app"]
    left = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "LISTING_VIBES_", "TORCH", "MPL", "RAY_"))
    }
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:  # the names of Ray's sockets have to be short
        own = {
            "HOME": folder / "home",
            "TMPDIR": temporary,
            "RECORD_TO": folder / "record",
            "RECORD_ALLOWED": f"{folder}{os.pathsep}{temporary}",
            "PYTHONPATH": os.pathsep.join(map(str, places)),
        }
        environment = left | {name: str(value) for name, value in own.items()}
        command = [sys.executable, *map(str, line)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    record = folder / "record"
    return record.read_text().splitlines() if record.is_file() else []


@pytest.mark.slow
def test_every_command_and_page_keeps_to_this_machine_and_to_its_folders(tmp_path):
    before = _demo()
    assert recorded(tmp_path, "-m", "helpers.every_command", tmp_path / "work") == []
    cached = {path.parts[0:2] for path in _files(tmp_path / "home")}
    assert cached <= {(".cache", "listing-vibes")}  # also what was written by no Python
    assert _demo() == before


@pytest.mark.slow
def test_the_recorder_records(tmp_path, tmp_path_factory):
    file = tmp_path_factory.mktemp("elsewhere") / "file"
    code = f"import socket; open({str(file)!r}, 'w')\ntry: socket.getaddrinfo('nowhere.invalid', 80)\nexcept OSError: pass"
    assert recorded(tmp_path, "-c", code) == [f"writes {file}", "resolves nowhere.invalid"]


def _files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def _demo() -> set[Path]:
    return {*_files(ROOT / "assets" / "demo"), *_files(ROOT / "assets" / "models")}
