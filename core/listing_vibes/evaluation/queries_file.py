"""`queries.parquet` of a run: every test query with the rank that each scorer gave to what was really touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from listing_vibes.market.io import write_table

if TYPE_CHECKING:
    from listing_vibes.evaluation.result import Evaluation
    from listing_vibes.market.market import Market

FILE = "queries.parquet"
RANK = "rank of "  # before the scorer's name


def save_queries(run: Path, evaluation: Evaluation, market: Market) -> None:
    """Write `queries.parquet` into the folder `run`: the columns of `Evaluation.queries_frame`, one rank a scorer."""
    frame = evaluation.queries_frame(market, evaluation.names[0]).drop(columns="rank")
    for name in evaluation.names:
        frame[RANK + name] = evaluation.ranks[name]
    write_table(run / FILE, frame)
