"""Measures on pages: shares as percentages, intervals, and the ablation of a run."""

import pandas as pd

from listing_vibes.ablation.table import read_ablation
from listing_vibes.errors import VibesError
from listing_vibes.words import percent
from listing_vibes_app.kit.charts import interval
from listing_vibes_app.server.runs import OpenRun

RECALL_HELP = "Of the listings that users interacted with next, the share that was in our 30."
ABLATION = "ablation.parquet"


def recall_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns "Recall@30" and "95 % interval" of lines with `value`, `low` and `high`."""
    ends = zip(table["low"], table["high"], strict=True)
    return {"Recall@30": [*map(percent, table["value"])], "95 % interval": [interval(*end) for end in ends]}


def load_ablation(opened: OpenRun) -> pd.DataFrame | None:
    """Return the run's ablation, None if it has none.

    Raises:
        VibesError: the file is damaged.
    """
    path = opened.run.path / ABLATION
    if not path.is_file():
        return None
    table = read_ablation(path)
    if table is None or table.empty:
        raise VibesError(f"{path} is empty; make it again with vibes ablate.")
    return table
