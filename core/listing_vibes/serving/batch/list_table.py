"""Lists as a table with one row per rank, as written by `vibes batch` and by the pushes of a refresh."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from listing_vibes.run.recommender import Lists
from listing_vibes.run.rules import RULED


def list_schema(id_column: str, timed: bool, has_rules: bool = False) -> pa.Schema:
    """Return the schema of a table of lists whose owners are in `id_column`, such as `user_id`."""
    return pa.schema(
        [
            (id_column, pa.string()),
            ("rank", pa.int32()),
            ("candidate_id", pa.string()),
            ("score", pa.float32()),
            ("run", pa.dictionary(pa.int32(), pa.string())),
            ("at", pa.timestamp("us", "UTC") if timed else pa.int64()),
            *([("rule", pa.dictionary(pa.int32(), pa.string()))] if has_rules else []),
        ]
    )


def list_table(
    schema: pa.Schema, names: Sequence[str], listing_ids: np.ndarray, lists: Lists, run: str, at: int
) -> pa.Table:
    """Return lists as a table.

    Args:
        schema: see `list_schema`.
        names: (n,) owner of each list; listing_ids: (L,) object.
        at: nanoseconds UTC, or a position.
    """
    line, place = np.nonzero(lists.rows >= 0)
    count, moment = len(line), schema.field("at").type
    value = at // 1000 if pa.types.is_timestamp(moment) else at
    columns = [
        pa.array(np.array(names, object)[line], pa.string()),
        pa.array((place + 1).astype(np.int32)),
        pa.array(listing_ids[lists.rows[line, place]], pa.string()),
        pa.array(lists.scores[line, place], pa.float32()),
        pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [run]),
        pa.array(np.full(count, value, np.int64)).cast(moment),
    ]
    if "rule" in schema.names:
        columns.append(pa.DictionaryArray.from_arrays(lists.ruled[line, place].astype(np.int32), list(RULED)))
    return pa.table(columns, schema)
