"""Recorded answers as a table, one row a listing that was shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.moments import to_moments
from listing_vibes.serving.store import Store

ARMS = ("A", "B")
_TEXT, _TEXTS = pa.string(), pa.list_(pa.string())
#: What the store keeps of an answer as columns, and as JSON.
_COLUMNS = pa.schema(
    {"request_id": _TEXT, "time": pa.int64(), "kind": _TEXT, C.USER: _TEXT, "query": _TEXT, "arm": _TEXT}
)
_ANSWER = pa.schema(
    {
        "rules": _TEXT, "run": _TEXTS, "generation": pa.list_(pa.int32()), "scorer": _TEXTS, "listings": _TEXTS,
        "scores": pa.list_(pa.float32()), "teams": pa.list_(pa.int8()),
    }
)  # fmt: skip
#: Of the tables: `position` counts from 1; without one an answer had no listings. `arm` is the one of an experiment that put
#: the listing there, empty where there is none or both would have; `tried`: whether the answer is of an experiment.
SCHEMA = pa.schema(
    {
        "request_id": _TEXT, "time": pa.timestamp("us", "UTC"), "kind": _TEXT, C.USER: _TEXT, "query": _TEXT,
        "position": pa.int16(), C.LISTING: _TEXT, "score": pa.float32(), "arm": _TEXT, "run": _TEXT,
        "generation": pa.int32(), "scorer": _TEXT, "rules": _TEXT, "tried": pa.bool_(),
    }
)  # fmt: skip


def table_of(answers: Sequence[Any]) -> pa.Table:
    """The table of kept answers (rows as `Store.read_impressions` returns them), see `SCHEMA`."""
    if not answers:
        return SCHEMA.empty_table()
    told = pa.table(list(zip(*(row[:-1] for row in answers), strict=True)), _COLUMNS)
    lines = [row.answer.encode() for row in answers]
    options = pyarrow.json.ParseOptions(explicit_schema=_ANSWER, unexpected_field_behavior="ignore")
    # Arrow reads no line that is longer than a block.
    block = max(2**20, 2 * max(map(len, lines)))
    parsed = pyarrow.json.read_json(
        pa.BufferReader(b"\n".join(lines)),
        pyarrow.json.ReadOptions(use_threads=False, block_size=block),
        options,
    ).combine_chunks()
    for name in _ANSWER.names:
        told = told.append_column(name, parsed[name])
    length = pc.fill_null(pc.list_value_length(told["listings"]), 0).to_numpy()  # (R,)
    count = np.maximum(length, 1)  # an answer without listings has a row, too
    row = np.repeat(np.arange(len(length)), count)  # (N,)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)  # (N,)
    there = length[row] > 0
    team = np.full(len(row), -2, np.int64)  # -2: the whole answer is of one arm, or of none
    parted = pc.is_valid(told["teams"]).to_numpy()[row] & there
    team[parted] = pc.list_flatten(told["teams"]).to_numpy()
    whole = told["arm"].to_numpy()[row]
    arm = np.where(team == -2, whole, np.array([None, *ARMS], object)[np.maximum(team, -1) + 1])
    of_b = (arm == ARMS[1]) & (pc.list_value_length(told["run"]).to_numpy()[row] > 1)

    def maker(name: str) -> pa.Array:
        flat, of = pc.list_flatten(told[name]), pc.list_value_length(told[name]).to_numpy()
        return flat.take(pa.array((np.cumsum(of) - of)[row] + of_b))

    def shown(name: str) -> pa.Array:
        flat, first = pc.list_flatten(told[name]), (np.cumsum(length) - length)[row]
        return flat.take(pa.array(np.where(there, first + place, 0), mask=~there))

    columns = {
        "request_id": told["request_id"].take(pa.array(row)),
        "time": told["time"].take(pa.array(row)).cast(SCHEMA.field("time").type),
        "kind": told["kind"].take(pa.array(row)),
        C.USER: told[C.USER].take(pa.array(row)),
        "query": told["query"].take(pa.array(row)),
        "position": pa.array((place + 1).astype(np.int16), mask=~there),
        C.LISTING: shown("listings"),
        "score": shown("scores"),
        "arm": pa.array(arm, _TEXT),
        "run": maker("run"),
        "generation": maker("generation"),
        "scorer": maker("scorer"),
        "rules": told["rules"].take(pa.array(row)),
        "tried": pc.or_(pc.is_valid(told["arm"]), pc.is_valid(told["teams"])).take(pa.array(row)),
    }
    return pa.table(columns, SCHEMA)


def read_impressions(
    place: Path | str, events: Path | str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """All that was shown, one row a listing (see `SCHEMA`), oldest first.

    Args:
        place: that of `vibes serve --impressions`: a folder, a database file or a URL.
        columns: some of the schema's, among them `request_id`, `time`, `position`; None: all.
        events: that of `--events`: adds, for events with the `request_id` of an answer, `acted_at` (the first on that listing) and
            `actions` (all of them, in order; an event without one is "event").

    Raises:
        VibesError: there is no such database, or an answer in it is damaged.
    """
    store = Store(place, "--impressions")
    try:
        table = table_of(store.read_impressions())
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise VibesError(
            f"{store.name} holds an answer that is damaged ({reason}); remove its row."
        ) from error
    finally:
        store.close()
    whole = table.select(columns or SCHEMA.names).to_pandas()
    whole = whole.sort_values(["time", "request_id", "position"], kind="stable", ignore_index=True)
    return whole if events is None else _with_feedback(whole, read_feedback(events))


def of_experiment(shown: pd.DataFrame) -> pd.Series:
    """(N,) bool whether each row is of an answer of an experiment; tables of before tell it by their arms alone."""
    armed = shown["arm"].notna().groupby(shown["request_id"]).transform("any")
    return armed | shown["tried"].eq(True)


def read_feedback(place: Path | str) -> pd.DataFrame:
    """The posted events that say which answer they are about: `request_id, listing_id, acted_at, action`, oldest first.

    Without timestamps `acted_at` is the position, which orders the events on one answer; answers are in the order of the store.

    Args:
        place: that of `vibes serve --events`.

    Raises:
        VibesError: there is no such database.
    """
    store = Store(place, "--events")
    try:
        _, rows = store.read_events()
    finally:
        store.close()
    found = [
        (row.request_id, row.listing_id, row.timestamp, row.action, row.position)
        for row in rows
        if row.request_id is not None
    ]
    frame = pd.DataFrame(found, columns=["request_id", C.LISTING, "acted_at", C.ACTION, C.POSITION])
    position = frame.pop(C.POSITION)
    if frame["acted_at"].isna().all() and position.notna().any():
        frame["acted_at"] = position.astype("Int64")
        answer = frame.groupby("request_id", sort=False).ngroup()
        frame = frame.assign(answer=answer).sort_values(
            ["answer", "acted_at"], kind="stable", ignore_index=True
        )
        return frame.drop(columns="answer")
    frame["acted_at"] = to_moments(frame["acted_at"])[0]
    return frame.sort_values("acted_at", kind="stable", ignore_index=True)


def _with_feedback(shown: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    keys = ["request_id", C.LISTING]
    events = events.assign(action=events[C.ACTION].fillna("event"))
    told = events.groupby(keys, sort=False).agg(acted_at=("acted_at", "min"), actions=(C.ACTION, list))
    return shown.merge(told, how="left", left_on=keys, right_index=True)
