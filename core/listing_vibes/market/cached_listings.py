"""The validated listings of a large market, cached as an Arrow file.

The file (IPC, uncompressed) is memory-mapped: text, most of a table, has the layout that pandas uses. Sets, which pandas holds as
Python lists, are built only when the complete table is needed. A million listings open in a third of a second instead of six.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import ATTRIBUTE_TYPES
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.documents import NOT_AS_MEANT
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.fingerprint import file_sha256, stamp
from listing_vibes.market.issues import Issue
from listing_vibes.market.values import no_garbage_collection
from listing_vibes.version import __version__

#: From this number of listings on, reading and validating takes longer than checking whether the file changed.
FEWEST = 20_000
FILE = "listings.arrow"
_HEAD = b"listing-vibes"
#: Sets have few distinct members.
SETS = pa.large_list(pa.dictionary(pa.int32(), pa.large_string()))


@dataclass(frozen=True, eq=False)
class Parts:
    """A table whose sets are not built yet."""

    plain: pd.DataFrame  # the other columns
    sets: dict[str, pa.ChunkedArray]
    names: list[str]  # of all columns, in order

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        sets = {name: pd.Series(_cells(column), dtype=object) for name, column in self.sets.items()}
        return self.plain.assign(**sets)[self.names]


class Listings(NamedTuple):
    """What `listing_vibes.market.tables.listings_table` returns; the table may be in parts."""

    table: pd.DataFrame | Parts
    kinds: dict[str, AttributeConfig]
    issues: list[Issue]


def cached_listings(
    market: Path, source: Path, config: MarketConfig, load: Callable[[], Listings]
) -> Listings:
    """Return what `load` returns for the file `source`, from the cache where bytes, configuration and version are the same.

    Args:
        market: the folder whose cache holds the tables that were opened last; where the cache cannot be written, `load` is
            called each time.
    """
    path, before = writable_cache(market) / FILE, stamp(source)
    if path.is_file():
        with suppress(OSError, pa.ArrowException, IndexError, *NOT_AS_MEANT):
            if (cached := _load(path, _key(source, config))) is not None:
                return cached
    listings = load()
    if isinstance(listings.table, pd.DataFrame) and len(listings.table) >= FEWEST:
        with suppress(OSError, VibesError, pa.ArrowException):
            key = _key(source, config)
            if stamp(source) == before:  # the file did not change while it was read
                _save(path, key, listings.table, listings)
    return listings


def _key(source: Path, config: MarketConfig) -> str:
    plugins = [item.distribution for several in ATTRIBUTE_TYPES.plugins.values() for item in several]
    parts = [__version__, pd.__version__, pa.__version__, plugins, source.name, file_sha256(source)]
    return hashlib.sha256(f"{parts} {config.model_dump_json()}".encode()).hexdigest()


def _save(path: Path, key: str, frame: pd.DataFrame, listings: Listings) -> None:
    names = [str(name) for name in frame.columns]
    sets = [name for name in names if frame[name].dtype == object]
    table = pa.Table.from_pandas(frame.drop(columns=sets), preserve_index=False)
    for name in sets:
        table = table.append_column(name, pa.array(frame[name].tolist(), SETS))
    head = {
        "key": key,
        "names": names,
        "kinds": {name: kind.model_dump(mode="json") for name, kind in listings.kinds.items()},
        "issues": [
            asdict(issue) | {"rows": None if issue.rows is None else issue.rows.tolist()}
            for issue in listings.issues
        ],
    }
    table = table.combine_chunks()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _HEAD: json.dumps(head).encode()})
    with atomic_path(path, durable=False) as temporary:
        with pa.OSFile(str(temporary), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        back = _load(temporary, key)
        if back is None or not back.table.to_frame().dtypes.equals(frame.dtypes):
            raise VibesError(f"{path} differs from the table that was written; run the same again.")


def _load(path: Path, key: str) -> Listings | None:
    """Return the content of a cached file; None where its key differs."""
    # Windows refuses to replace a file that is mapped.
    opened = pa.memory_map(str(path)) if os.name == "posix" else pa.BufferReader(path.read_bytes())
    with opened as stream, pa.ipc.open_file(stream) as reader:
        head = json.loads((reader.schema.metadata or {})[_HEAD])
        if head["key"] != key:
            return None
        table = reader.read_all()
    table.validate(full=True)  # pandas does not check the offsets
    if any(column.num_chunks != 1 for column in table.columns):
        return None
    is_set = {field.name for field in table.schema if pa.types.is_large_list(field.type)}
    sets = {name: table.column(name) for name in head["names"] if name in is_set}
    frame = table.drop_columns(list(sets)).to_pandas(split_blocks=True).copy()  # so that numbers are writable
    kinds = {name: AttributeConfig.model_validate(kind) for name, kind in head["kinds"].items()}
    issues = [
        Issue(**issue | {"rows": None if issue["rows"] is None else np.array(issue["rows"], np.int64)})
        for issue in head["issues"]
    ]
    return Listings(Parts(frame, sets, head["names"]), kinds, issues)


def _cells(column: pa.ChunkedArray) -> np.ndarray:
    """Return (L,) object: a separate list for each set, None where it is missing."""
    (chunk,) = column.chunks
    words = np.array(chunk.values.dictionary.to_pylist(), object)  # (V,)
    members = words[chunk.values.indices.to_numpy()].tolist()
    bounds = chunk.offsets.to_numpy().tolist()
    with no_garbage_collection():
        each = (members[low:high] for low, high in pairwise(bounds))
        cells = np.fromiter(each, object, len(chunk))
    cells[chunk.is_null().to_numpy(zero_copy_only=False)] = None
    return cells
