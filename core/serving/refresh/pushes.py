"""Recommendations to push: for the users with new events, beside what earlier refreshes found for others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from core.market.columns import Columns as C
from core.market.log import EventLog
from core.market.splits import Catalogue
from core.run.run import PUSH_COLUMNS, Run
from core.serving.batch.rules import Groups, Rules
from core.serving.batch.select import Selector
from core.serving.refresh.encode import Bench

#: Users whose histories are encoded at once.
CHUNK = 1024


def after_last_event(events: pd.DataFrame) -> int:
    """The moment after the last event, in the log's time."""
    name = C.TIMESTAMP if C.TIMESTAMP in events else C.POSITION
    return int(events[name].astype("int64").max()) + 1 if len(events) else 1


def live(run: Run, at: int) -> np.ndarray:
    """(L,) bool: which listings are live at a moment."""
    catalogue = Catalogue.of(run.market)
    found: np.ndarray = (catalogue.since <= at) & (at < catalogue.until)
    return found


def renewed(
    before: pd.DataFrame, run: Run, bench: Bench, users: Sequence[str], k: int, name: str
) -> pd.DataFrame:
    """The table of pushes: `users` anew as `run.recommend` serves them, the others as they were `before`.

    Of these, what is live no more is left out.

    Args:
        run: the state that is about to be published, with its market; its model is that of `bench`.
        name: what the rows call the run.
    """
    market = run.market
    at = after_last_event(market.events)
    is_live = live(run, at)
    ids = np.array(run.listing_ids, dtype=object)
    kept = before[~before[C.USER].isin(users) & before["candidate_id"].isin(ids[is_live])]
    kept = kept.assign(rank=(kept.groupby(C.USER).cumcount() + 1).astype("int32"))
    rules, index = Rules(k=k, live_only=True, drop_seen=True), run.index("model")
    selector = Selector(index, rules, Groups.of(rules, market), index.known & is_live)
    parts = [kept]
    for first in range(0, len(users), CHUNK):
        events = market.events[market.events[C.USER].isin(users[first : first + CHUNK])]
        log = EventLog.from_frame(events, market)
        queries = bench.histories(log)  # (B, d)
        rows, scores = selector.lists(queries, None, log.listing.astype(np.int64), log.user.astype(np.int64))
        line, place = np.nonzero(rows >= 0)
        parts.append(
            pd.DataFrame(
                {
                    C.USER: np.array(log.users, dtype=object)[line],
                    "rank": (place + 1).astype(np.int32),
                    "candidate_id": ids[rows[line, place]],
                    "score": scores[line, place],
                    "run": name,
                    "at": pd.to_datetime(at, utc=True).floor("us") if log.timed else at,
                }
            )
        )
    return pd.concat([part for part in parts if len(part)] or [before], ignore_index=True)[list(PUSH_COLUMNS)]


def as_table(pushes: pd.DataFrame, timed: bool) -> pa.Table:
    """With the types that `vibes recommend --all` writes."""
    schema = pa.schema(
        [
            (C.USER, pa.string()),
            ("rank", pa.int32()),
            ("candidate_id", pa.string()),
            ("score", pa.float32()),
            ("run", pa.dictionary(pa.int32(), pa.string())),
            ("at", pa.timestamp("us", "UTC") if timed else pa.int64()),
        ]
    )
    return pa.Table.from_pandas(pushes, schema, preserve_index=False)
