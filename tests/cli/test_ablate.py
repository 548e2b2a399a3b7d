"""`vibes ablate` on the command line: one JSON document, progress on stderr, bad input in one sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from listing_vibes import cli

ROOT = Path(__file__).parents[2]
GRID = """
[[variant]]
name = "popularity"
question = "ladder"
baseline = "popularity"
[[variant]]
name = "neighbors"
question = "ladder"
reference = "popularity"
baseline = "itemknn"
[[variant]]
name = "looks"
question = "ladder"
reference = "popularity"
baseline = "photo-neighbors"
"""


@pytest.fixture
def market(tiny_market) -> Path:
    return tiny_market(listings=40, users=60, events_per_user=8, photos=0)


@pytest.mark.slow
def test_json_is_one_document_and_progress_goes_to_stderr(market, tmp_path):
    grid, out = tmp_path / "grid.toml", tmp_path / "out"
    grid.write_text(GRID)
    done = subprocess.run(
        [sys.executable, "-m", "listing_vibes", "ablate", market, out, "--grid", grid, "--seeds", "5", "--json"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [one["name"] for one in document["variants"]] == ["popularity", "neighbors"]
    assert document["seeds"] == [5] and "has no photos" in document["left_out"]["looks"]
    assert "neighbors, seed 5: done in" in done.stderr and "has no photos" in done.stderr
    table = pd.read_parquet(out / "ablation.parquet")
    value = document["variants"][1]["results"]["recall@30"]["value"]
    mine = table[(table["variant"] == "neighbors") & table["seed"].isna() & (table["slice"] == "all")]
    assert value == mine[(mine["metric"] == "recall") & (mine["k"] == 30)]["value"].item()
    assert {"ablation.png", "ablation.svg"} <= {path.name for path in out.iterdir()}


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--seeds", "one"], "--seeds is 'one'"),
        (["--seeds", "1,1"], "not distinct"),
        (["--grid", "nowhere.toml"], "Cannot read nowhere.toml"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    market, tmp_path, arguments, sentence, monkeypatch, capsys
):
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["vibes", "ablate", str(market), str(out), *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert ended.value.code == 2 and sentence in printed.err and printed.out == ""
    assert not out.exists()
