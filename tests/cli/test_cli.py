"""The command line: what it prints, where, and how it ends."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from typing import get_args

import pandas as pd
import pytest
import typer

from helpers.commands import ROOT, vibes, vibes_apart
from listing_vibes import __version__, cli
from listing_vibes.cli.shared import Baselines, Preset, Protocol, app
from listing_vibes.evaluation import request
from listing_vibes.market import splits
from listing_vibes.model.config import PRESETS
from listing_vibes.model.settings import Settings
from listing_vibes.run.run import Run


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A market, a configuration, and a run trained by the command itself."""
    from helpers.small_market import generate

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


def test_check_prints_a_profile_and_json(folders):
    assert "150" in vibes("check", folders / "market").stdout
    assert json.loads(vibes("check", folders / "market", "--json").stdout)


@pytest.mark.slow
def test_evaluate_prints_json_and_nothing_else_and_writes_queries(folders, tmp_path):
    run, out = tmp_path / "run", tmp_path / "queries.parquet"
    shutil.copytree(folders / "run", run)  # the other tests' run is one that was not evaluated
    document = json.loads(vibes("evaluate", run, "--json", "--queries", out).stdout)
    assert {
        "default ranking",
        "model only",
        "popularity",
        "recent popularity",
        "itemknn",
        "ease",
        "als",
    } <= set(document["results"])
    assert {"value", "low", "high"} == set(document["results"]["default ranking"]["recall@30"])
    queries = pd.read_parquet(out)
    assert len(queries) == document["queries"]
    assert list(queries) == [
        "user_id", "at", "target", "rank", "candidates", "history_length", "cold_listing", "cold_user",
    ]  # fmt: skip
    hits = (queries["rank"] <= 30).groupby(queries["user_id"]).mean().mean()
    assert hits == pytest.approx(document["results"]["default ranking"]["recall@30"]["value"], abs=1e-12)
    assert Run.open(run).metrics == document


def test_another_protocol_than_that_of_the_training_is_refused(folders):
    assert (
        "it was trained on"
        in vibes("evaluate", folders / "run", "--protocol", "leave-one-out", check=2).stderr
    )


@pytest.mark.slow
def test_similar_and_recommend_print_tables_and_json(folders):
    market = pd.read_parquet(folders / "market" / "events.parquet")
    listing, user = market["listing_id"].iloc[0], market["user_id"].iloc[0]
    assert "score" in vibes("similar", folders / "run", listing, "-k", 3).stdout
    found = json.loads(
        vibes("similar", folders / "run", listing, "-k", 3, "--json", "--space", "attributes").stdout
    )
    assert len(found) == 3 and set(found[0]) == {"listing_id", "score"}
    assert len(json.loads(vibes("recommend", folders / "run", user, "-k", 4, "--json").stdout)) == 4
    history = folders / "history.json"
    history.write_text(
        json.dumps({"history": [{"listing_id": listing, "action": "view", "duration_s": 12.5}]})
    )
    assert len(json.loads(vibes("recommend", folders / "run", "--history", history, "--json").stdout)) == 30


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["check", "{f}/nowhere"], "no market folder"),
        (["photos", "{f}/market"], "vibes embed MARKET RUN"),
        (["look", "{f}/run", "sofa"], "vibes search RUN WORDS"),
        (["why", "{f}/run", "u", "l"], "vibes explain RUN QUERY LISTING"),
        (["passport", "{f}/market", "--model", "homes"], "vibes check MARKET --model RUN"),
        (["recommend", "{f}/run", "u", "--with", "ids"], "--blend"),
        (["serve", "{f}/run", "{f}/run", "--split", ".5", "--other-with=ids"], "--other-blend"),
        (["evaluate", "{f}/run", "--rivals", "none"], "--baselines"),
        (["train", "{f}/market", "{f}/new", "--from", "homes"], "--init-from"),
        (["similar", "{f}/run", "--all"], "vibes batch RUN OUT"),
        (["similar", "{f}/nowhere", "x"], "not a run folder"),
        (["recommend", "{f}/run"], "a history with --history FILE"),
        (["recommend", "{f}/run", "user-0001", "--at", "noon"], "--at is 'noon'"),
        (["recommend", "{f}/run", "--history", "{f}/nowhere.json"], "Cannot read the history"),
        (["train", "{f}/market", "{f}/new", "--preset", "huge"], "preset"),
        (
            ["train", "{f}/market", "{f}/new", "--config", "{f}/nowhere.toml"],
            "nowhere.toml (No such file or directory); check the path",
        ),
        (["train", "{f}/market", "{f}/run"], "already holds a finished run"),
        (["train", "{f}/market", "{f}/new", "--resume"], "no interrupted training"),
        (["train", "{f}/market", "{f}/new", "--refit", "{f}/run", "--seed", "1"], "leave out seed"),
        (["train", "{f}/market", "{f}/new", "--everything"], "--everything goes with --refit RUN"),
        (
            ["batch", "{f}/run", "{f}/new", "--blend", "luck"],
            "luck",
        ),
        (["evaluate", "{f}/run", "--protocol", "guess"], "'guess' is not one of"),
        (["evaluate", "{f}/run", "--queries", "{f}/new.xlsx"], "ends in .parquet or .csv"),
        (["import", "zillow", "{f}", "{f}/new"], "zillow"),
        (["explore", "{f}/nowhere"], "not a run folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(folders, arguments, sentence, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vibes", *(part.format(f=folders) for part in arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert sentence in printed.err and "Traceback" not in printed.err and printed.out == ""
    assert not (folders / "new").exists()


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("preset = ", "not valid TOML"),
        ("[training]\nspeed = 9\n", "unknown key 'training.speed'"),
        ("[training]\nlearning_rat = 1\n", "did you mean 'training.learning_rate'?"),
        ("[training]\ntemperature = 0\n", "training.temperature"),
        ("[encoder]\nwidth = 33\n", "width 33"),
    ],
)
def test_bad_configurations(folders, tmp_path, text, sentence):
    (tmp_path / "bad.toml").write_text(text)
    failed = vibes("train", folders / "market", tmp_path / "run", "--config", tmp_path / "bad.toml", check=2)
    assert sentence in failed.stderr and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_process_of_its_own_does_the_same(folders, tmp_path):
    assert (
        vibes_apart("check", folders / "market", "--json").stdout
        == vibes("check", folders / "market", "--json").stdout
    )
    vibes_apart(
        "train", folders / "market", tmp_path / "run", "--config", folders / "quick.toml", "--seed", 3
    )
    listing = pd.read_parquet(folders / "market" / "events.parquet")["listing_id"].iloc[0]
    apart = json.loads(vibes_apart("similar", tmp_path / "run", listing, "--json").stdout)
    here = json.loads(vibes("similar", folders / "run", listing, "--json").stdout)
    assert [row["listing_id"] for row in apart] == [row["listing_id"] for row in here]
    assert "no listing 'nowhere'" in vibes_apart("similar", tmp_path / "run", "nowhere", check=1).stderr


def test_help_is_light():
    """`vibes --help` must not pay for torch, pandas or streamlit."""
    code = "import sys; sys.argv = ['vibes', '--help']\nfrom listing_vibes import cli\ntry: cli.main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('torch', 'pandas', 'numpy', 'streamlit', 'transformers') if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]"


def test_every_command_stands_in_one_of_four_groups_of_the_help():
    groups = [line for line in vibes("--help").stdout.splitlines() if line.endswith(":") and line[0] != " "]
    assert groups == ["Options:", "Data:", "Model:", "Use:", "Production:"]
    names = re.findall(r"^  (\w+)", vibes("--help").stdout.split("Data:")[1], re.MULTILINE)
    assert sorted(names) == sorted(typer.main.get_command(app).commands)


def test_the_version_is_that_of_the_library():
    assert vibes("--version").stdout == f"vibes {__version__}\n"


def test_the_help_tells_each_command_in_a_whole_sentence():
    told = " ".join(vibes_apart("--help").stdout.split())
    assert "baselines on the test queries: popularity, nearest neighbors, id-based models." in told
    assert "..." not in told.removeprefix("Usage: ").split("Data:")[1]


@pytest.mark.slow
def test_similar_loads_only_what_a_list_needs(folders):
    """What a list by stored vectors does not need takes longer to load than the list to make."""
    listing = pd.read_parquet(folders / "market" / "events.parquet")["listing_id"].iloc[0]
    code = f"import sys; sys.argv = ['vibes', 'similar', {str(folders / 'run')!r}, {listing!r}]\n"
    code += "from listing_vibes import cli\ntry: cli.main()\nexcept SystemExit: pass\n"
    heavy = (
        "torch",
        "scipy.sparse",
        "faiss",
        "sklearn",
        "pyarrow.dataset",
        "PIL",
        "listing_vibes.features.featurizer",
    )
    code += f"print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr.strip() == "[]" and listing not in done.stdout


def test_the_choices_of_options_are_those_of_the_settings():
    assert get_args(Protocol) == get_args(splits.Protocol)
    assert get_args(Baselines) == get_args(request.Baselines)
    assert get_args(Preset) == tuple(PRESETS) == get_args(Settings.model_fields["preset"].annotation)
