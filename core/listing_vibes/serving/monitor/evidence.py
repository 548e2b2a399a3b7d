"""The queries behind each sentence of a look: which of the newest ones asked for the listings that a check is about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from listing_vibes.evaluation.result import Evaluation
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import write_table
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import DEFAULT
from listing_vibes.serving.monitor.checks import Check, Monitored

#: (L,) bool of the listings that a check is about, by its name and what it is of.
About: TypeAlias = dict[tuple[str, str], np.ndarray]
#: Rows of one table, at most: the most lost ones.
MOST = 10_000


def queries_of(check: Check, asked: Evaluation, about: About, run: Run) -> pd.DataFrame:
    """The newest queries that a check is about, the most lost ones first, as `vibes monitor --queries` with the target's title.

    Of recall these are the queries that were lost; of histories all, by whose users it was looked; of age there are none; of all
    else those whose target is a listing that the check is about.
    """
    ranking = asked.names[0]
    if check.name == "recall":
        chosen = asked.ranks[ranking] > DEFAULT.coverage
    elif check.name == "histories":
        chosen = np.ones(len(asked.queries), bool)
    else:
        rows = about.get((check.name, check.of))
        chosen = np.zeros(len(asked.queries), bool) if rows is None else rows[asked.queries.target]
    table = asked.queries_frame(run.market, ranking)
    title = run.market.title
    if title is not None:
        table.insert(3, "title", run.market.listings[title].to_numpy()[asked.queries.target])
    return table[chosen].sort_values("rank", ascending=False, kind="stable").head(MOST)


def write_evidence(
    found: Monitored, asked: Evaluation | None, about: About, run: Run, folder: Path
) -> dict[tuple[str, str], tuple[Path, int]]:
    """Write the queries of each sentence as CSV; returns, by check, the file and how many rows it has, none without rows.

    Files that an earlier look wrote there and this one did not are removed, so that none is taken for this one's.

    Raises:
        VibesError: the folder cannot be written.
    """
    files: dict[tuple[str, str], tuple[Path, int]] = {}
    told = [] if asked is None else [*found.crossed, *(check for _, check in found.quiet_checks)]
    for check in told:
        assert asked is not None
        table = queries_of(check, asked, about, run)
        if len(table):
            file = folder / f"{_name(check, [path.stem for path, _ in files.values()])}.csv"
            write_table(file, table)
            files[check.name, check.of] = file, len(table)
    for left in {*folder.glob("*.csv")} - {file for file, _ in files.values()}:
        left.unlink(missing_ok=True)
    return files


def no_queries(run: Run) -> pd.DataFrame:
    """The table of `vibes monitor --queries` where no query came, with its columns."""
    at = "datetime64[ns, UTC]" if run.log.timed else "int64"
    kinds = {C.USER: "str", "at": at, "target": "str", "rank": "int64", "candidates": "int64"}
    kinds |= {"history_length": "int64", "cold_listing": "bool", "cold_user": "bool"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _name(check: Check, taken: list[str]) -> str:
    """A file's name that every system takes, and that no other check has."""
    words = re.sub(r"[^a-z0-9]+", "-", f"{check.name} {check.of}".lower()).strip("-")[:80]
    number, name = 1, words
    while name in taken:
        number, name = number + 1, f"{words}-{number + 1}"
    return name
