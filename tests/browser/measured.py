"""What an evaluation and an ablation leave in a run, without the wait for them."""

import json
from pathlib import Path

import pandas as pd

from helpers.blends import fixed_blend
from listing_vibes import Run
from listing_vibes.ablation.table import COLUMNS
from listing_vibes.run.blends import FITTED_BLENDS, save_blends

WRITTEN = ("ablation.parquet", "queries.parquet", "metrics.json", FITTED_BLENDS)
#: What serving adds, as an evaluation may find it.
FITS = [
    fixed_blend("recency", recent=5.0),
    fixed_blend("neighbors", attributes=2.0),
    fixed_blend("neighbors+recency", attributes=2.0, recent=5.0),
]
METRICS = {
    "protocol": "temporal",
    "queries": 40,
    "users": 12,
    "results": {
        "default ranking": {"recall@30": {"value": 0.4, "low": 0.3, "high": 0.5}},
        "EASE": {"recall@30": {"value": 0.2, "low": 0.1, "high": 0.3}},
    },
    "differences": {"default ranking - EASE": {"recall@30": {"value": 0.2, "p_value": 0.01, "p_holm": 0.03}}},
    "slices": {
        name: {
            "queries": 9,
            "users": 5,
            "results": {"default ranking": {"recall@30": {"value": 0.25, "low": 0.1, "high": 0.4}}},
        }
        for name in ("cold listings", "warm listings", "history 1", "history 2-3", "week 1", "week 2")
    },
}


def write_measured(run: Path) -> pd.DataFrame:
    """An ablation, figures, what serving adds, and the ranks of two scorers for the last events of two users, which are
    returned."""
    rows = [
        ("popularity", None, "all", "recall", 30, 0.2, 0.1, 0.3, 40, None, None, None),
        ("full", None, "all", "recall", 30, 0.4, 0.3, 0.5, 40, "popularity", 0.2, 0.0004),
        ("full", None, "cold listings", "recall", 30, 0.25, 0.1, 0.4, 9, "popularity", 0.2, 0.01),
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int64", "k": "Int64"})
    table.to_parquet(run / "ablation.parquet", index=False)
    (run / "metrics.json").write_text(json.dumps(METRICS))
    last = Run.open(run).market.events.groupby("user_id").tail(1).head(2)
    frame = pd.DataFrame(
        {
            "user_id": last["user_id"], "at": last["timestamp"], "target": last["listing_id"],
            "candidates": 9, "history_length": 8, "cold_listing": False, "cold_user": False,
            "rank of default ranking": [1, 9], "rank of EASE": [3, 2],
        }
    )  # fmt: skip
    frame.to_parquet(run / "queries.parquet", index=False)
    save_blends(run, FITS)
    return frame


def forget_measured(run: Path) -> None:
    """Remove what `write_measured` wrote."""
    for name in WRITTEN:
        (run / name).unlink()
