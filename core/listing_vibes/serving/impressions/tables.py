"""Kept answers as tables, one row a listing that was shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet as pq

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.moments import to_moments
from listing_vibes.serving.journal.following import whole_lines
from listing_vibes.serving.journal.segments import SUFFIX

KIND = "impressions"
ARMS = ("A", "B")
_TEXT, _TEXTS = pa.string(), pa.list_(pa.string())
_JOURNAL = pa.schema(
    {
        "request_id": _TEXT, "time": pa.int64(), "kind": _TEXT, C.USER: _TEXT, "query": _TEXT, "rules": _TEXT,
        "run": _TEXTS, "generation": pa.list_(pa.int32()), "scorer": _TEXTS, "listings": _TEXTS,
        "scores": pa.list_(pa.float32()), "arm": _TEXT, "teams": pa.list_(pa.int8()),
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


def rows_of(lines: bytes) -> pa.Table:
    """The rows of whole lines of a journal, see `SCHEMA`."""
    if not lines:
        return SCHEMA.empty_table()
    options = pyarrow.json.ParseOptions(explicit_schema=_JOURNAL, unexpected_field_behavior="ignore")
    # Arrow reads no line that is longer than a block.
    block = max(2**20, 2 * max(map(len, lines.splitlines())))
    told = pyarrow.json.read_json(
        pa.BufferReader(lines), pyarrow.json.ReadOptions(use_threads=False, block_size=block), options
    ).combine_chunks()
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


def write(journal: Path) -> Path:
    """Make a journal that nobody writes any more a table of the same name; the journal stays.

    Raises:
        VibesError: the disk is full, or the folder cannot be written.
    """
    target = journal.with_suffix(".parquet")
    with atomic_path(target) as temporary:
        pq.write_table(rows_of(whole_lines(journal)), temporary, compression="zstd")
    target.chmod(0o600)
    return target


def read_impressions(
    folder: Path | str, events: Path | str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """All that was shown, one row a listing (see `SCHEMA`), oldest first; also what services are writing at the moment.

    Args:
        columns: some of the schema's, among them `request_id`, `time`, `position`; None: all.
        events: folder of a log of live events: adds, for events with the `request_id` of an answer, `acted_at` (the first on
            that listing) and `actions` (all of them, in order; an event without one is "event").

    Raises:
        VibesError: there is no such folder, or a file in it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise VibesError(f"There is no folder {folder}; give the one of `vibes serve --impressions`.")
    parts: dict[str, pa.Table] = {}
    schema = SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns])
    # Journals first: one that becomes a table meanwhile is found there.
    for path in sorted(folder.glob(f"{KIND}-*{SUFFIX}")):
        try:
            parts[path.stem] = rows_of(whole_lines(path)).select(schema.names)
        except FileNotFoundError:
            continue
        except pa.ArrowInvalid as error:
            raise _damaged(path, error) from error
    for path in sorted(folder.glob(f"{KIND}-*.parquet")):
        try:
            parts[path.stem] = pq.read_table(path, schema=SCHEMA, columns=schema.names)
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(path, error) from error
    whole = pa.concat_tables([schema.empty_table(), *parts.values()]).to_pandas()
    whole = whole.sort_values(["time", "request_id", "position"], kind="stable", ignore_index=True)
    return whole if events is None else _with_feedback(whole, read_feedback(Path(events)))


def of_experiment(shown: pd.DataFrame) -> pd.Series:
    """(N,) bool whether each row is of an answer of an experiment; tables of before tell it by their arms alone."""
    armed = shown["arm"].notna().groupby(shown["request_id"]).transform("any")
    return armed | shown["tried"].eq(True)


def read_feedback(folder: Path) -> pd.DataFrame:
    """The events of a log that say which answer they are about: `request_id, listing_id, acted_at, action`, oldest first.

    Without timestamps `acted_at` is the position, which orders the events on one answer; answers are in the order of the log.

    Raises:
        VibesError: there is no such folder.
    """
    from pydantic_core import from_json

    if not folder.is_dir():
        raise VibesError(f"There is no folder {folder}; give the one of `vibes serve --events`.")
    found = []
    for path in sorted(folder.glob(f"events-*{SUFFIX}")):
        for line in whole_lines(path).splitlines():
            if b'"request_id"' not in line:
                continue
            try:
                event = from_json(line)
                told = [event.get(name) for name in ("request_id", C.LISTING, C.TIMESTAMP, C.ACTION)]
                position = event.get(C.POSITION)
                if not all(one is None or isinstance(one, str) for one in told) or None in told[:2]:
                    continue
            except (ValueError, AttributeError):
                continue  # `vibes refresh` names it
            found.append([*told, position if isinstance(position, int) and abs(position) < 2**63 else None])
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


def _damaged(path: Path, error: Exception) -> VibesError:
    return VibesError(f"{path} cannot be read ({str(error).splitlines()[0].rstrip('.')}); mend or remove it.")
