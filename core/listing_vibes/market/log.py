"""The events of a market as arrays, with users and listings as numbers, sorted by user and time.

Those of a large market are cached with it, so that they are validated and sorted only once. The cache is a Parquet table
`user_id, listing, time, action, duration`: `vibes forget` removes users from it as from any other table.
"""

import json
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import can_be_written, market_cache
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.fingerprint import file_stamps
from listing_vibes.market.io import find_table
from listing_vibes.market.market import Market
from listing_vibes.market.values import order_of, rows_in
from listing_vibes.version import __version__

DAY = 24 * 3600 * 10**9  # nanoseconds, as the times of a log
#: From so many events on, reading them from the cache saves a second or more.
FEWEST = 1_000_000
#: Columns of events beside their user, with their types.
COLUMNS = {"listing": np.int32, "time": np.int64, "action": np.int16, "duration": np.float32}
CACHE_FILE, HEADER = "events.parquet", b"listing-vibes"


def ranges(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return the ranges `start[i] .. start[i] + length[i] - 1`, concatenated, as row numbers."""
    before = np.cumsum(length) - length
    return np.asarray(np.arange(length.sum()) + np.repeat(start - before, length))


def _events_of(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (R,) of the histories `start : end` (B,), concatenated, and the number of each row's history (R,)."""
    return ranges(start, end - start), np.repeat(np.arange(len(start)), end - start)


@dataclass(frozen=True, eq=False)
class EventLog:
    """N events of U users, sorted by (user, time, original order).

    A history is a run of rows `start[user] : end`, oldest first; `before[row]` is the end of the history at the
    moment of `row`: simultaneous events are not in it, since their order is unknown.
    """

    user: np.ndarray  # (N,) int32, index into `users`
    listing: np.ndarray  # (N,) int32, row of the market's listings
    time: np.ndarray  # (N,) int64, nanoseconds since 1970 UTC, or the position in the user's history
    action: np.ndarray  # (N,) int16, index into `actions`, -1 unknown
    duration: np.ndarray  # (N,) float32 seconds, NaN unknown
    start: np.ndarray  # (U + 1,) int64, first row of each user
    users: list[str]
    actions: list[str]
    listings: int  # L, how many listings the market has
    timed: bool
    unwanted: tuple[str, ...] = ()  # the actions that say "not this"
    #: (N,) bool, which events say "not this", where markets with different such actions are joined; None: those of `unwanted`.
    refused: np.ndarray | None = None

    @classmethod
    def from_market(cls, market: Market) -> "EventLog":
        """Return the events of `market`."""
        return cls.from_frame(market.events, market)

    @classmethod
    def from_frame(cls, events: pd.DataFrame, market: Market) -> "EventLog":
        """Return the events of a validated table with the columns of `Market.events`, for the listings and actions of `market`."""
        codes, users = pd.factorize(events[C.USER])
        timed = C.TIMESTAMP in events.columns
        when = events[C.TIMESTAMP if timed else C.POSITION].astype("int64").to_numpy()
        listing = rows_in(events[C.LISTING], market.listings[C.LISTING])
        order = order_of(codes, when)
        order = np.arange(len(events)) if order is None else order
        action = np.full(len(events), -1, np.int16)
        if C.ACTION in events.columns:
            action = rows_in(events[C.ACTION], market.actions).astype(np.int16)
        duration = np.full(len(events), np.nan, np.float32)
        if C.DURATION in events.columns:
            duration = events[C.DURATION].to_numpy(np.float32)
        user = codes[order].astype(np.int32)
        return cls(
            user=user,
            listing=listing[order],
            time=when[order],
            action=action[order],
            duration=duration[order],
            start=np.searchsorted(user, np.arange(len(users) + 1)),
            users=users.astype(object).tolist(),
            actions=list(market.actions),
            listings=len(market.listings),
            timed=timed,
            unwanted=tuple(market.config.unwanted),
        )

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def is_positive(self) -> np.ndarray:
        """(N,) bool: the event shows interest; False: it says "not this"."""
        if self.refused is not None:
            return ~self.refused
        codes = [code for code, name in enumerate(self.actions) if name in self.unwanted]
        return ~np.isin(self.action, codes) if codes else np.ones(len(self), bool)

    @cached_property
    def has_negatives(self) -> bool:
        """Whether any event says "not this"."""
        return not self.is_positive.all()

    @property
    def before(self) -> np.ndarray:
        """(N,) int64: for each event the first row of its user at the same time."""
        rows = np.arange(len(self))
        fresh = np.ones(len(self), bool)
        fresh[1:] = (self.user[1:] != self.user[:-1]) | (self.time[1:] != self.time[:-1])
        return np.asarray(np.maximum.accumulate(np.where(fresh, rows, 0)))

    def _select(self, rows: np.ndarray, **changes: Any) -> "EventLog":
        """Return a log of the events `rows`, with other `changes`."""
        parts = {name: getattr(self, name)[rows] for name in ("user", *COLUMNS)}
        refused = None if self.refused is None else self.refused[rows]
        return replace(self, **(parts | {"refused": refused} | changes))

    def histories(self, rows: np.ndarray, count: np.ndarray) -> "EventLog":
        """Return a log of the events `rows`, the first `count[0]` as the history of one user, the next `count[1]` of another, and so on;
        its times are positions in these histories.
        """
        users = len(count)
        return self._select(
            rows,
            user=np.repeat(np.arange(users, dtype=np.int32), count),
            time=ranges(np.zeros(users, np.int64), count),
            start=np.append(0, np.cumsum(count)).astype(np.int64),
            users=[str(number) for number in range(users)],
        )

    def select_positive(
        self, start: np.ndarray, end: np.ndarray
    ) -> tuple["EventLog", np.ndarray, np.ndarray]:
        """Return a log, and in it the positive events of the histories `start : end` (B,); some may be empty."""
        if not self.has_negatives:
            return self, start, end
        rows, owner = _events_of(start, end)
        is_positive = self.is_positive[rows]
        part = self.histories(rows[is_positive], np.bincount(owner[is_positive], minlength=len(start)))
        return part, part.start[:-1], part.start[1:]

    def positives_before(self, rows: np.ndarray) -> np.ndarray:
        """Return (n,) int64: the number of positive events before each of `rows` (n,), at most N; the row's position in `positives`."""
        return self._positives_before[rows] if self.has_negatives else rows

    @cached_property
    def _positives_before(self) -> np.ndarray:
        return np.append(0, np.cumsum(self.is_positive))

    @cached_property
    def positives(self) -> "EventLog":
        """The log of the same users with positive events only; the same object where all are positive. Users may have no event left."""
        if not self.has_negatives:
            return self
        return self._select(np.flatnonzero(self.is_positive), start=self.positives_before(self.start))

    def negatives(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the histories (n,) and listings (n,) of the unwanted events in the histories `start : end` (B,)."""
        if not self.has_negatives:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows, owner = _events_of(start, end)
        message = ~self.is_positive[rows]
        return owner[message], self.listing[rows[message]].astype(np.int64)

    def newest_positive(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return (B,) the row of the newest positive event of each history `start : end`, else of its newest event."""
        if not self.has_negatives:
            return end - 1
        rows, owner = _events_of(start, end)
        newest, is_positive = end - 1, self.is_positive[rows]
        newest[owner[is_positive]] = rows[is_positive]  # the last assignment, of the newest row, counts
        return newest

    @cached_property
    def is_first_interaction(self) -> np.ndarray:
        """(N,) bool: the user has no earlier event on this listing; of simultaneous ones the first counts."""
        first = np.zeros(len(self), bool)
        pairs = self.user.astype(np.int64) * self.listings + self.listing
        first[np.unique(pairs, return_index=True)[1]] = True
        return first

    def history_at(self, user: int, at: int | None = None) -> tuple[int, int]:
        """Return the rows (start, end) of a user's events strictly before `at` (None: all events)."""
        low, high = int(self.start[user]), int(self.start[user + 1])
        if at is None:
            return low, high
        return low, low + int(np.searchsorted(self.time[low:high], at, side="left"))

    def counts(self, mask: np.ndarray | None = None) -> np.ndarray:
        """Return (L,) int64: the positive events of each listing, optionally only those where `mask` (N,) is true."""
        if self.has_negatives:
            mask = self.is_positive if mask is None else mask & self.is_positive
        listing = self.listing if mask is None else self.listing[mask]
        return np.bincount(listing, minlength=self.listings)


#: Returns an array by its name, state, shape and type, and by how to fill it if it is not there.
Memory = Callable[[str, object, tuple[int, ...], type, Callable[[np.ndarray], object]], np.ndarray]


def own_memory(
    _of: str, _state: object, shape: tuple[int, ...], kind: type, fill: Callable[[np.ndarray], object]
) -> np.ndarray:
    """Return the array that `fill` fills, in the memory of this process."""
    array: np.ndarray = np.empty(shape, kind)
    fill(array)
    return array


def cached_log(market: Market, memory: Memory = own_memory) -> EventLog:
    """Return the events of a market, from its cache where no table changed since the cache was written.

    Only the tables in the market's folder are cached, and only there, where `vibes forget` finds the cache; those of a version of a
    run are replaced too often.
    """
    folder, key = market_cache(market.path), _cache_key(market)
    if key is None or folder.parent != market.path or market.tables != market.path:
        return EventLog.from_market(market)
    with suppress(OSError, pa.ArrowException, KeyError, ValueError):
        if (log := _read_cache(folder / CACHE_FILE, key, market, memory)) is not None:
            return log
    log = EventLog.from_market(market)
    # An event of the future will be valid later, and others may read a cache.
    is_settled = log.timed and not any(issue.column == C.TIMESTAMP for issue in market.issues)
    if len(log) >= FEWEST and is_settled and _is_readable(market) and can_be_written(folder):
        with suppress(OSError, VibesError):
            _write_cache(folder / CACHE_FILE, key, log)
            if market.stamps != file_stamps(market.tables):  # users may have been forgotten since
                (folder / CACHE_FILE).unlink()
    return log


def _cache_key(market: Market) -> str | None:
    """Return what the events depend on; None for a market in memory."""
    if market.stamps is None:
        return None
    # The name of "" depends on the key that hashes users.
    return json.dumps([__version__, market.stamps, market.config.model_dump_json(), market.names.of("")])


def _is_readable(market: Market) -> bool:
    """Return whether all users of the machine may read the events."""
    source = find_table(market.tables, "events")
    return source is not None and bool(source.stat().st_mode & stat.S_IROTH)


def _read_cache(path: Path, key: str, market: Market, memory: Memory) -> EventLog | None:
    """Return the cached events; None where the cache has another key."""
    with pa.OSFile(str(path)) as stream:
        file = pq.ParquetFile(stream, read_dictionary=[C.USER])
        header = json.loads(file.schema_arrow.metadata[HEADER])
        if header["key"] != key:
            return None
        users, columns = _read_columns(file, str(path), key, memory)
    pa.default_memory_pool().release_unused()  # Arrow would keep some 300 MiB for 20 million events.
    return EventLog(
        **columns,
        start=np.searchsorted(columns["user"], np.arange(len(users) + 1)),
        users=users,
        actions=header["actions"],
        listings=len(market.listings),
        timed=True,
        unwanted=tuple(market.config.unwanted),
    )


def _read_columns(
    file: pq.ParquetFile, path: str, key: str, memory: Memory
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return the users of cached events and the columns of a log, read one at a time."""
    coded = file.read([C.USER]).column(0).combine_chunks()

    def read(name: str, kind: type) -> np.ndarray:
        def fill(array: np.ndarray) -> None:
            array[:] = coded.indices if name == "user" else file.read([name]).column(0)

        return memory(f"{path} {name}", key, (len(coded),), kind, fill)

    columns = {name: read(name, kind) for name, kind in {"user": np.int32, **COLUMNS}.items()}
    return coded.dictionary.to_pandas().tolist(), columns


def _write_cache(path: Path, key: str, log: EventLog) -> None:
    users = pa.DictionaryArray.from_arrays(log.user, pa.array(log.users, pa.string()))
    header = json.dumps({"key": key, "actions": log.actions})
    table = pa.table({C.USER: users, **{name: getattr(log, name) for name in COLUMNS}})
    table = table.replace_schema_metadata({HEADER: header})
    with atomic_path(path, durable=False) as temporary:
        pq.write_table(table, temporary, compression="lz4", row_group_size=len(table))
