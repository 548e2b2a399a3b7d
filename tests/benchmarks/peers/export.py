"""Write a market's split and test queries for the peers: `python tests/benchmarks/peers/export.py MARKET OUT`.

Runs in the project's environment. OUT gets `train.parquet` (the training events: user_id, item_id, datetime, weight),
`histories.parquet` (query, item_id, datetime: what a peer may know at each query's moment), `moments.parquet` (query, datetime), and of the queries of
validation `validation_histories.parquet`, `validation_moments.parquet` (the same) and `validation.parquet` (query, user_id, item_id: the targets, so that
a peer knows when to stop). The targets of the test stay here.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, Split, make_split


def open_split(market: Path, protocol: str | None) -> tuple[Market, EventLog, Catalogue, Split]:
    """The same split that `vibes train` and `vibes evaluate` make."""
    opened = Market.open(market)
    log, catalogue = EventLog.from_market(opened), Catalogue.of(opened)
    return opened, log, catalogue, make_split(log, catalogue, protocol)  # type: ignore[arg-type]


def export(market: Market, log: EventLog, split: Split, out: Path) -> None:
    """All tables. Without timestamps the days of `datetime` are the places in a user's history."""
    ids = market.listings[C.LISTING].to_numpy()
    users = np.asarray(log.users, object)

    def at(time: np.ndarray) -> pd.DatetimeIndex:
        return pd.to_datetime(time if log.timed else time * 24 * 3600 * 10**9, unit="ns")

    when = at(log.time)

    def histories(queries: Queries) -> pd.DataFrame:
        events = ranges(queries.start, queries.length)
        number = np.repeat(np.arange(len(queries)), queries.length)
        return pd.DataFrame({"query": number, "item_id": ids[log.listing[events]], "datetime": when[events]})

    def moments(queries: Queries) -> pd.DataFrame:
        return pd.DataFrame({"query": np.arange(len(queries)), "datetime": at(queries.at)})

    rows, valid = np.flatnonzero(split.train), split.valid
    tables = {
        "train": pd.DataFrame(
            {
                "user_id": users[log.user[rows]],
                "item_id": ids[log.listing[rows]],
                "datetime": when[rows],
                "weight": 1.0,
            }
        ),
        "histories": histories(split.test),
        "moments": moments(split.test),
        "validation_moments": moments(valid),
        "validation_histories": histories(valid),
        "validation": pd.DataFrame(
            {"query": np.arange(len(valid)), "user_id": users[valid.user], "item_id": ids[valid.target]}
        ),
    }
    for name, frame in tables.items():
        with atomic_path(out / f"{name}.parquet") as temporary:
            frame.to_parquet(temporary, index=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("market", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--protocol", choices=("temporal", "leave-one-out"))
    given = parser.parse_args()
    opened, log, _, split = open_split(given.market, given.protocol)
    export(opened, log, split, given.out)
