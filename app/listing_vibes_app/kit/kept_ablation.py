"""The ablation that lies in a run, read once for all sessions."""

import pandas as pd
import streamlit as st

from listing_vibes.ablation.table import read_ablation
from listing_vibes.errors import VibesError
from listing_vibes_app.server.runs import OpenRun

FILE = "ablation.parquet"


def load_ablation(opened: OpenRun) -> pd.DataFrame | None:
    """The run's ablation, None where it has none.

    Raises:
        VibesError: the file is damaged.
    """
    path = opened.run.path / FILE
    return _load(str(path), path.stat().st_mtime_ns, opened) if path.is_file() else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(path: str, stamp: int, _opened: OpenRun) -> pd.DataFrame:
    table = read_ablation(_opened.run.path / FILE)
    if table is None or table.empty:
        raise VibesError(f"{path} is empty; make it again with vibes ablate.")
    return table
