"""Impressions: every response with its request id, recorded before it is sent, and read back with the events on it."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sql
from pydantic_core import from_json, to_json

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import VARIABLE, UserNames
from listing_vibes.market.moments import to_moments
from listing_vibes.run.rules import Rules
from listing_vibes.serving.event_database import Database, impressions_table
from listing_vibes.serving.events import read_events

ARMS = ("A", "B")
#: Start of the name of a stored value that states a key which hashed users, followed by the hash of "".
KEY_STATE = "user-key "
#: Seconds that a write waits for other writers.
WRITE_S = 0.5
#: Columns of the table of impressions. `position` counts from 1; it is missing for a response without listings. `arm` is the arm of an
#: experiment that placed the listing, missing without one or if both would have; `tried`: whether the response is part of one.
COLUMNS = {
    "request_id": "str", "time": "datetime64[us, UTC]", "kind": "str", C.USER: "str", "query": "str", "position": "Int16",
    C.LISTING: "str", "score": "float32", "arm": "str", "run": "str", "version": "int32", "scorer": "str", "rules": "str",
    "tried": "bool",
}  # fmt: skip
_STORED = ("request_id", "time", "kind", C.USER, "query", "answer")


class Maker(NamedTuple):
    """Source of a list: a run, its version, and its scorer."""

    run: str
    version: int
    scorer: str


def impression_row(
    request_id: str,
    user: str | None,
    query: str | None,
    rules: Rules,
    makers: Sequence[Maker],
    listings: Sequence[str],
    scores: Sequence[float],
    teams: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Return the row of a response that is given now.

    Args:
        query: the query listing; None: recommendations.
        makers: sources of the list; in an experiment both, A first.
        teams: for each listing the index in `makers` of its source, -1: both; None: the first for all.
    """
    columns = {name: [getattr(maker, name) for maker in makers] for name in Maker._fields}
    answer = columns | {"listings": listings, "scores": scores, "teams": teams}
    answer["rules"] = rules.model_dump_json(exclude_defaults=True)
    kind = "recommend" if query is None else "similar"
    cells = (request_id, time.time_ns() // 1000, kind, user, query, to_json(answer).decode())
    return dict(zip(_STORED, cells, strict=True))


class ImpressionLog:
    """Log of responses in a database that several services may share.

    Args:
        hash_users: whether users are recorded as keyed hashes, see `listing_vibes.market.display_names.UserNames`; the key comes from
            the environment, else from a random key file in the folder of the database file.

    Raises:
        VibesError: the database cannot be created or written, or the key is missing or too short.
    """

    def __init__(self, place: str | Path, hash_users: bool = False) -> None:
        self.database = Database(place, "--impressions", create=True, deadline_s=WRITE_S, durable=False)
        if hash_users and self.database.path is None and VARIABLE not in os.environ:
            raise VibesError(
                f"Option --hash-users needs a key where --impressions is a database of a server; set {VARIABLE}."
            )
        self.names = UserNames((self.database.path or Path()).parent, hash_users)
        name = self.names.of("")  # raises now if the key is invalid
        if hash_users:  # `vibes forget` says if it has not this key
            self.database.begin_state(f"{KEY_STATE}{name}", "")

    def append(self, impressions: Sequence[Mapping[str, Any]]) -> list[None]:
        """Commit responses, see `impression_row`, in one transaction; return None for each.

        Raises:
            Busy: another process held the lock.
            VibesError: the disk is full, or the database cannot be written; then none is recorded.
        """
        rows = [
            {**row, C.USER: None if row[C.USER] is None else self.names.of(row[C.USER])}
            for row in impressions
        ]
        with self.database.write(ordered=False) as connection:
            connection.execute(impressions_table.insert(), rows)
        return [None] * len(impressions)


def read_impressions(place: Path | str, events: Path | str | None = None) -> pd.DataFrame:
    """Return all shown listings, one row each (see `COLUMNS`), oldest first.

    Args:
        place: the place of `vibes serve --impressions`: a folder, a database file or a URL.
        events: the place of `--events`: adds, for events with the `request_id` of a response, `acted_at` (the first on that listing)
            and `actions` (all of them, in order; an event without one is "event").

    Raises:
        VibesError: the database does not exist, or a response in it is damaged.
    """
    columns = [impressions_table.c[name] for name in _STORED]
    statement = sql.select(*columns).order_by(impressions_table.c.time, impressions_table.c.id)
    with closing(Database(place, "--impressions")) as database, database.read() as connection:
        rows = connection.execute(statement).all()
    try:
        table = impressions_frame(rows)
    except (ValueError, KeyError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise VibesError(
            f"{database.name} holds a response that is damaged ({reason}); remove its row."
        ) from error
    if events is None:
        return table
    keys, feedback = ["request_id", C.LISTING], read_feedback(events)
    feedback = feedback.assign(action=feedback[C.ACTION].fillna("event")).groupby(keys, sort=False)
    joined = feedback.agg(acted_at=("acted_at", "min"), actions=(C.ACTION, list))
    return table.merge(joined, how="left", left_on=keys, right_index=True)


def impressions_frame(rows: Sequence[Any]) -> pd.DataFrame:
    """Return recorded responses as a table with the columns `COLUMNS`."""
    answers = [from_json(row.answer) for row in rows]
    for answer in answers:
        answer["tried"] = answer["teams"] is not None
        answer["teams"] = answer["teams"] or [None] * len(answer["listings"])
    shown = pd.DataFrame([row[:-1] for row in rows], columns=list(_STORED[:-1]), dtype=object)
    names = ["rules", "listings", "scores", "teams", "tried", *Maker._fields]
    shown = shown.join(pd.DataFrame(answers, columns=names, index=shown.index))
    shown = shown.explode(["listings", "scores", "teams"])
    shown["arm"] = shown["teams"].map({-1: None, 0: ARMS[0], 1: ARMS[1]}).astype(object)
    for name in Maker._fields:  # an interleaved list has two sources
        shown[name] = shown[name].str[0].where(shown["arm"] != ARMS[1], shown[name].str[-1])
    shown["position"] = (shown.groupby(level=0).cumcount() + 1).where(shown["listings"].notna())
    shown["time"] = pd.to_datetime(shown["time"].astype("int64"), unit="us", utc=True)
    shown = shown.rename(columns={"listings": C.LISTING, "scores": "score"})
    return shown[[*COLUMNS]].astype(COLUMNS).reset_index(drop=True)


def read_feedback(place: Path | str) -> pd.DataFrame:
    """Return the posted events that name a response: `request_id, listing_id, acted_at, action`, oldest first.

    Raises:
        VibesError: the database does not exist.
    """
    with closing(Database(place, "--events")) as database:
        rows = [row for row in read_events(database) if row.request_id is not None]
    columns = ["request_id", C.LISTING, C.TIMESTAMP, C.ACTION]
    frame = pd.DataFrame([[getattr(row, name) for name in columns] for row in rows], columns=columns)
    frame[C.TIMESTAMP] = to_moments(frame[C.TIMESTAMP])[0]
    frame = frame.rename(columns={C.TIMESTAMP: "acted_at"}).sort_values("acted_at", kind="stable")
    return frame[["request_id", C.LISTING, "acted_at", C.ACTION]].reset_index(drop=True)
