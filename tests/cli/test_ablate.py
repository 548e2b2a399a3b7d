"""`vibes ablate` prints one JSON document, and its progress on stderr."""

import json

import pandas as pd
import pytest

from helpers.commands import vibes_apart

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


@pytest.mark.slow
def test_json_is_one_document_and_progress_goes_to_stderr(tiny_market, tmp_path):
    market = tiny_market(listings=40, users=60, events_per_user=8, photos=0)
    grid, out = tmp_path / "grid.toml", tmp_path / "out"
    grid.write_text(GRID)
    done = vibes_apart("ablate", market, out, "--grid", grid, "--seeds", "5", "--json")
    document = json.loads(done.stdout)
    assert [variant["name"] for variant in document["variants"]] == ["popularity", "neighbors"]
    assert document["seeds"] == [5] and "has no photos" in document["left_out"]["looks"]
    assert "neighbors, seed 5: done in" in done.stderr and "has no photos" in done.stderr
    table = pd.read_parquet(out / "ablation.parquet")
    mine = table[(table["variant"] == "neighbors") & table["seed"].isna() & (table["slice"] == "all")]
    value = mine.loc[(mine["metric"] == "recall") & (mine["k"] == 30), "value"].item()
    assert document["variants"][1]["results"]["recall@30"]["value"] == value
    assert {"ablation.png", "ablation.svg"} <= {path.name for path in out.iterdir()}
