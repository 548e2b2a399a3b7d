"""The events of a large market as numbers, cached with it, so that they are validated and sorted only once.

The cache is a Parquet table `user_id, listing, time, action, duration`: `vibes forget` removes users from it as from any other table.
"""

from __future__ import annotations

import json
import stat
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import can_be_written, market_cache
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.fingerprint import file_stamps
from listing_vibes.market.io import find_table
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.version import __version__

#: From so many events on, reading them from the cache saves a second or more.
FEWEST = 1_000_000
FILE, HEADER = "events.parquet", b"listing-vibes"


def cached_log(market: Market) -> EventLog:
    """Return the events of a market, from its cache where no table changed since the cache was written.

    Only the tables in the market's folder are cached, and only there, where `vibes forget` finds the cache; those of a version of a
    run are replaced too often.
    """
    folder, key = market_cache(market.path), _key(market)
    if key is None or folder.parent != market.path or market.tables != market.path:
        return EventLog.from_market(market)
    with suppress(OSError, pa.ArrowException, KeyError, ValueError):
        if (log := _read(folder / FILE, key, market)) is not None:
            return log
    log = EventLog.from_market(market)
    # An event of the future will be valid later, and others may read a cache.
    is_settled = log.timed and not any(issue.column == C.TIMESTAMP for issue in market.issues)
    if len(log) >= FEWEST and is_settled and _is_readable(market) and can_be_written(folder):
        with suppress(OSError, VibesError):
            _write(folder / FILE, key, log)
            if market.stamps != file_stamps(market.tables):  # users may have been forgotten since
                (folder / FILE).unlink()
    return log


def _key(market: Market) -> str | None:
    """Return what the events depend on; None for a market in memory."""
    if market.stamps is None:
        return None
    # The name of "" depends on the key that hashes users.
    return json.dumps([__version__, market.stamps, market.config.model_dump_json(), market.names.of("")])


def _is_readable(market: Market) -> bool:
    """Return whether all users of the machine may read the events."""
    source = find_table(market.tables, "events")
    return source is not None and bool(source.stat().st_mode & stat.S_IROTH)


def _read(path: Path, key: str, market: Market) -> EventLog | None:
    """Return the cached events; None where the cache has another key."""
    if not path.is_file():
        return None
    with pa.OSFile(str(path)) as stream:
        file = pq.ParquetFile(stream, read_dictionary=[C.USER])
        header = json.loads(file.schema_arrow.metadata[HEADER])
        if header["key"] != key:
            return None
        table = file.read().combine_chunks()
    users = table[C.USER].chunk(0)
    # Copies, since Arrow's buffers are read-only.
    arrays = {name: table[name].to_numpy().copy() for name in ("listing", "time", "action", "duration")}
    user = users.indices.to_numpy().copy()
    return EventLog(
        user=user,
        **arrays,
        start=np.searchsorted(user, np.arange(len(users.dictionary) + 1)),
        users=users.dictionary.to_pandas().tolist(),
        actions=header["actions"],
        listings=len(market.listings),
        timed=True,
        unwanted=tuple(market.config.unwanted),
    )


def _write(path: Path, key: str, log: EventLog) -> None:
    users = pa.DictionaryArray.from_arrays(log.user, pa.array(log.users, pa.string()))
    columns = {
        C.USER: users,
        "listing": log.listing,
        "time": log.time,
        "action": log.action,
        "duration": log.duration,
    }
    header = json.dumps({"key": key, "actions": log.actions})
    table = pa.table(columns).replace_schema_metadata({HEADER: header})
    with atomic_path(path, durable=False) as temporary:
        pq.write_table(table, temporary, compression="lz4", row_group_size=len(table))
