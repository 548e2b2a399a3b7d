"""The histories of all users, cut into chunks on disk: a sort of the events that needs memory for a part of them only."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.event_stream import event_count, event_frames
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.progress import Counted, Report

#: Events that are sorted in memory at once.
BUCKET = 2_000_000
SCHEMA = pa.schema(
    [
        (C.USER, pa.string()),
        ("listing", pa.int32()),  # row of the listing
        ("time", pa.int64()),  # nanoseconds UTC, or the position
        (C.ACTION, pa.string()),
        (C.DURATION, pa.float32()),
    ]
)


def cut_histories(
    market: Market,
    out: Path,
    chunk: int,
    at: int | None = None,
    report: Report | None = None,
    bucket: int = BUCKET,
) -> int:
    """Write `out/part-00000.parquet` ...: the events before `at`, of at most `chunk` whole users a file.

    Users go to buckets by a hash of their id, each bucket is sorted in memory; so a file depends on the table and on
    `chunk` alone. The folder appears when it is whole.

    Returns:
        the moment after the last event of the market (in the log's time), whatever `at` is.

    Raises:
        VibesError: the events cannot be read, or no user has an event before `at`.
    """
    writing = out.with_name(out.name + ".writing")
    for left in (writing, out):  # of a process that was killed before its job was there
        shutil.rmtree(left, ignore_errors=True)
    writing.mkdir(parents=True)
    total = event_count(market.tables)
    buckets = 1 if total is None else max(1, math.ceil(total / bucket))
    after = _spread(market, writing, buckets, total, report)
    written = 0
    for number in range(buckets):
        source = writing / f"bucket-{number}.parquet"
        table = pq.read_table(source)
        if at is not None:
            table = table.filter(pc.less(table["time"], at))
        for part in _whole_users(table, chunk):
            pq.write_table(part, writing / f"part-{written:05d}.parquet")
            written += 1
        source.unlink()
    if not written:
        shutil.rmtree(writing)
        raise VibesError(
            f"No user of {market.path} has an event before that moment, so there is no history to go by."
        )
    writing.rename(out)
    return after


def read_histories(path: Path, market: Market) -> EventLog:
    """One file of `cut_histories` of `market` as a log, whose users are those of the file."""
    table = pq.read_table(path)
    users, first = np.unique(table[C.USER].to_numpy(zero_copy_only=False), return_index=True)
    order = np.argsort(first)
    users, start = users[order], np.append(first[order], table.num_rows).astype(np.int64)
    action = pd.Categorical(table[C.ACTION].to_pandas())
    return EventLog(
        user=np.repeat(np.arange(len(users), dtype=np.int32), np.diff(start)),
        listing=table["listing"].to_numpy(),
        time=table["time"].to_numpy(),
        action=action.codes.astype(np.int16),
        duration=table[C.DURATION].to_numpy(),
        start=start,
        users=[str(name) for name in users],
        actions=[str(name) for name in action.categories],
        listings=len(market.listings),
        timed=market.timed,
        unwanted=tuple(market.config.unwanted),
    )


def _spread(
    market: Market,
    folder: Path,
    buckets: int,
    total: int | None,
    report: Report | None,
) -> int:
    """Write the events into buckets by user, in the order of the table; returns the moment after the last one."""
    known = pd.Index(market.listings[C.LISTING])
    writers = [pq.ParquetWriter(folder / f"bucket-{number}.parquet", SCHEMA) for number in range(buckets)]
    after, done = 1, 0
    try:
        for events in event_frames(market.tables, market.listings[C.LISTING], market.config, market.names):
            if not len(events):
                continue
            when = _when(events)
            after = max(after, int(when.max()) + 1)
            table = pa.table(
                {
                    C.USER: pa.array(events[C.USER], pa.string()),
                    "listing": known.get_indexer(events[C.LISTING]).astype(np.int32),
                    "time": when,
                    C.ACTION: _column(events, C.ACTION, pa.string()),
                    C.DURATION: _column(events, C.DURATION, pa.float32()),
                },
                SCHEMA,
            )
            home = _hash(events[C.USER]) % np.uint64(buckets)
            for number, writer in enumerate(writers):
                mine = table.filter(pa.array(home == number)) if buckets > 1 else table
                if mine.num_rows:
                    writer.write_table(mine)
            done += len(events)
            if report is not None:
                report(Counted("events", done, max(total or 0, done)))
    finally:
        for writer in writers:
            writer.close()
    return after


def _when(events: pd.DataFrame) -> np.ndarray:
    """(N,) int64 nanoseconds UTC, or positions."""
    return events[C.TIMESTAMP if C.TIMESTAMP in events else C.POSITION].astype("int64").to_numpy()


def _hash(users: pd.Series) -> np.ndarray:
    """(N,) uint64, the same on every machine."""
    return pd.util.hash_array(users.to_numpy(object), categorize=False)


def _column(events: pd.DataFrame, name: str, kind: pa.DataType) -> pa.Array:
    if name not in events:
        return pa.nulls(len(events), kind)
    if pa.types.is_floating(kind):
        return pa.array(events[name].to_numpy(np.float32))  # NaN stays NaN: the log's word for unknown
    return pa.array(events[name], kind)


def _whole_users(table: pa.Table, chunk: int) -> Iterator[pa.Table]:
    """The table sorted by user, time and its own order, in pieces of at most `chunk` users."""
    user, names = pd.factorize(table[C.USER].to_pandas(), sort=True)
    order = np.lexsort((np.arange(len(user)), table["time"].to_numpy(), user))
    table, user = table.take(pa.array(order)), user[order]
    ends = np.searchsorted(user, np.arange(0, len(names) + chunk, chunk))  # (pieces + 1,)
    for low, high in pairwise(ends):
        if high > low:
            yield table.slice(low, high - low)
