"""Measures on pages: shares as percentages, intervals, and the ablation of a run."""

import pandas as pd
import streamlit as st

from listing_vibes.ablation.table import read_ablation
from listing_vibes.errors import VibesError
from listing_vibes.words import percent
from listing_vibes_app.kit.charts import interval
from listing_vibes_app.server.runs import BY_RUN, OpenRun

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
    return _load(opened, path.stat().st_mtime_ns) if path.is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _load(opened: OpenRun, stamp: int) -> pd.DataFrame:
    path = opened.run.path / ABLATION
    table = read_ablation(path)
    if table is None or table.empty:
        raise VibesError(f"{path} is empty; make it again with vibes ablate.")
    return table
