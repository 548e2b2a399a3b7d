"""`vibes ablate` writes a table and a figure, and its progress on stderr."""

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
needs = ["photos"]
baseline = "photo-neighbors"
"""


@pytest.mark.slow
def test_the_table_and_the_figure_are_written_and_progress_goes_to_stderr(tiny_market, tmp_path):
    market = tiny_market(listings=40, users=60, events_per_user=8, photos=0)
    grid, out = tmp_path / "grid.toml", tmp_path / "out"
    grid.write_text(GRID)
    done = vibes_apart("ablate", market, out, "--grid", grid, "--seeds", "5")
    assert "popularity" in done.stdout and "done in" not in done.stdout
    assert "neighbors, seed 5: done in" in done.stderr and "has no photos" in done.stderr
    assert set(pd.read_parquet(out / "ablation.parquet")["variant"]) == {"popularity", "neighbors"}
    assert {"ablation.png", "ablation.svg"} <= {path.name for path in out.iterdir()}
