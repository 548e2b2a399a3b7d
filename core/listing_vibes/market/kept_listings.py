"""The listings of a large market as they were read and checked, kept in its cache as Arrow holds them.

A file of Arrow (IPC, uncompressed) is mapped: texts, most of a table, lie there as pandas has them. Sets, which pandas holds as
lists of Python, are made of the numbers of their members once somebody asks for the whole table.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import ATTRIBUTE_TYPES
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.defects import Defect
from listing_vibes.market.documents import NOT_AS_MEANT
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.garbage import none_meanwhile
from listing_vibes.market.stamps import stamp

#: Listings from which on reading and checking takes longer than to look whether the file changed.
FEWEST = 20_000
FILE = "listings.arrow"
_TOLD = b"listing-vibes"
_HERE = Path(__file__).parent
#: What says how a table is read, checked and counted: where it changes, what was kept is of no use.
READERS = sorted([*_HERE.glob("*.py"), *_HERE.glob("kinds/*.py")])


@dataclass(frozen=True, eq=False)
class Parts:
    """A table whose sets are not made yet."""

    plain: pd.DataFrame  # the other columns
    sets: dict[str, pa.ChunkedArray]
    names: list[str]  # of all columns, in order

    def whole(self) -> pd.DataFrame:
        """The table."""
        sets = {name: pd.Series(_cells(column), dtype=object) for name, column in self.sets.items()}
        return self.plain.assign(**sets)[self.names]


class Listings(NamedTuple):
    """What `listing_vibes.market.tables.listings_table` gives; its table maybe in parts."""

    table: pd.DataFrame | Parts
    kinds: dict[str, AttributeConfig]
    defects: list[Defect]


def kept_listings(market: Path, source: Path, config: MarketConfig, read: Callable[[], Listings]) -> Listings:
    """What `read` makes of the file `source`, or made before of the same bytes under the same configuration.

    Args:
        market: the folder in whose cache it is kept, of whichever state of its tables was opened last; where nothing can be
            written, all is read each time.
    """
    path = writable_cache(market) / FILE
    before, asked = stamp(source), None
    if path.is_file():
        asked = _passport(source, config)
        with suppress(OSError, pa.ArrowException, IndexError, *NOT_AS_MEANT):
            if (found := _load(path, asked)) is not None:
                return found
    made = read()
    if isinstance(made.table, pd.DataFrame) and len(made.table) >= FEWEST:
        with suppress(OSError, VibesError, pa.ArrowException):
            passport = asked or _passport(source, config)
            # Where another file came meanwhile, what was read is not what the passport is of.
            if stamp(source) == before:
                _save(path, passport, made.table, made)
    return made


def _passport(source: Path, config: MarketConfig) -> str:
    """sha256 over the file, the configuration and what reads them."""
    digest = hashlib.sha256(f"{source.name} {pd.__version__} {pa.__version__} ".encode())
    digest.update(config.model_dump_json().encode())
    digest.update(
        repr([one.distribution for found in ATTRIBUTE_TYPES.plugins.values() for one in found]).encode()
    )
    for path in (*READERS, source):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _save(path: Path, passport: str, frame: pd.DataFrame, made: Listings) -> None:
    names = [str(name) for name in frame.columns]
    sets = [name for name in names if frame[name].dtype == object]
    table = pa.Table.from_pandas(frame.drop(columns=sets), preserve_index=False)
    for name in sets:
        cells = pa.array(frame[name].tolist(), pa.large_list(pa.large_string()))
        members = pc.dictionary_encode(cells.flatten())
        offsets = pc.fill_null(pc.list_value_length(cells), 0).to_numpy().cumsum()
        coded = pa.LargeListArray.from_arrays(np.append(0, offsets), members, mask=pc.is_null(cells))
        table = table.append_column(name, coded)
    told = {
        "of": passport,
        "names": names,
        "kinds": {name: one.model_dump(mode="json") for name, one in made.kinds.items()},
        "defects": [_plain(one) for one in made.defects],
    }
    table = table.combine_chunks()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _TOLD: json.dumps(told).encode()})
    with atomic_path(path, durable=False) as temporary:
        with pa.OSFile(str(temporary), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        back = _load(temporary, passport)
        if back is None or not back.table.whole().dtypes.equals(frame.dtypes):
            raise VibesError(f"{path} would not give back what it was made of.")


def _load(path: Path, passport: str) -> Listings | None:
    """What a file holds; None where it is of something else."""
    # Whoever puts another file in the place of a mapped one is refused on Windows.
    opened = pa.memory_map(str(path)) if os.name == "posix" else pa.BufferReader(path.read_bytes())
    with opened as stream, pa.ipc.open_file(stream) as reader:
        told = json.loads((reader.schema.metadata or {})[_TOLD])
        if told["of"] != passport:
            return None
        table = reader.read_all()
    table.validate(full=True)  # pandas would take any offsets for true
    if any(column.num_chunks != 1 for column in table.columns):
        return None
    sets = {
        name: table.column(name)
        for name in told["names"]
        if pa.types.is_large_list(table.schema.field(name).type)
    }
    frame = table.drop_columns(list(sets)).to_pandas(split_blocks=True).copy()  # numbers can be written to
    kinds = {name: AttributeConfig.model_validate(one) for name, one in told["kinds"].items()}
    return Listings(Parts(frame, sets, told["names"]), kinds, [_defect(one) for one in told["defects"]])


def _cells(column: pa.ChunkedArray) -> np.ndarray:
    """(L,) object: a list of its own for each set, None where it is missing."""
    (whole,) = column.chunks
    words = np.array(whole.values.dictionary.to_pylist(), object)  # (V,)
    members = words[whole.values.indices.to_numpy()].tolist()
    bounds = whole.offsets.to_numpy().tolist()
    with none_meanwhile():
        each = (members[low:high] for low, high in pairwise(bounds))
        cells = np.fromiter(each, object, len(whole))
    cells[whole.is_null().to_numpy(zero_copy_only=False)] = None
    return cells


def _plain(defect: Defect) -> dict[str, Any]:
    rows = None if defect.rows is None else defect.rows.tolist()
    return {
        **{
            name: getattr(defect, name)
            for name in ("file", "column", "row", "value", "message", "count", "file_column")
        },
        "rows": rows,
    }


def _defect(told: dict[str, Any]) -> Defect:
    rows = None if told["rows"] is None else np.array(told["rows"], np.int64)
    return Defect(**{**told, "rows": rows})
