"""Look up and sort the ids of millions of events as Arrow strings, which is much faster than Python objects."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def rows_in(ids: pd.Series, values: Any) -> np.ndarray:
    """Return (N,) int32: the position of each of the strings `ids` (N,) among the distinct strings `values` (L,); -1: none."""
    if len(ids) < len(values):  # the smaller set becomes the hash table
        coded = _coded(ids)
        existing = pc.index_in(_arrow(values), value_set=coded.dictionary).fill_null(-1).to_numpy()  # (L,)
        place = np.full(len(coded.dictionary) + 1, -1, np.int32)
        place[existing] = np.arange(len(existing), dtype=np.int32)
        place[-1] = -1  # unknown or missing
        return np.asarray(place[coded.indices.fill_null(-1).to_numpy()])
    places = pc.index_in(_arrow(ids), value_set=_arrow(values)).fill_null(-1)
    return np.array(places.to_numpy(), np.int32)  # a copy: Arrow's buffer is read-only


def by_user_and_time(users: pd.Series, time: np.ndarray) -> np.ndarray | None:
    """Return (N,) the order by user (N,), by code points, then `time` (N,), stably; None: they are sorted already.

    No user may be missing.
    """
    coded = _coded(users)
    rank = np.empty(len(coded.dictionary), np.int32)
    rank[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(rank), dtype=np.int32)
    user = rank[coded.indices.to_numpy()]  # (N,)
    return order_of(user, time)


def order_of(user: np.ndarray, time: np.ndarray) -> np.ndarray | None:
    """Return (N,) the order by the numbers `user` (N,), then `time` (N,), stably; None: they are sorted already."""
    later = user[1:] > user[:-1]
    later |= (user[1:] == user[:-1]) & (time[1:] >= time[:-1])
    return None if later.all() else np.lexsort((time, user))


def _coded(strings: Any) -> pa.DictionaryArray:
    full = _arrow(strings)
    return (full.combine_chunks() if isinstance(full, pa.ChunkedArray) else full).dictionary_encode()


def _arrow(strings: Any) -> Any:
    """Return Arrow strings with 64-bit offsets."""
    return pa.array(pd.Series(strings, dtype="str"), from_pandas=True).cast(pa.large_string())
