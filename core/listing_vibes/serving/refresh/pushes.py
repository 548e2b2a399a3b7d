"""Recommendations to push: for the users with new events, beside what earlier refreshes found for others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.run.folder import PUSH_COLUMNS
from listing_vibes.run.run import Run

#: Users whose histories are encoded at once.
CHUNK = 1024


def renewed(
    before: pd.DataFrame, run: Run, users: Sequence[str], k: int, name: str, beside: str | None = None
) -> pd.DataFrame:
    """The table of pushes: `users` anew as `run.recommend` serves them, the others as they were `before`.

    Of these, what is live no more is left out.

    Args:
        run: the state that is about to be published, with its market and its model.
        name: what the rows call the run.
        beside: what is added to the model, see `Run.recommend`.
    """
    market, at = run.market, run.after_last_event
    ids = np.array(run.listing_ids, dtype=object)
    kept = before[~before[C.USER].isin(users) & before["candidate_id"].isin(ids[run.catalogue.live(at)])]
    kept = kept.assign(rank=(kept.groupby(C.USER).cumcount() + 1).astype("int32"))
    maker = run.recommender(beside=beside)
    parts = [kept]
    for first in range(0, len(users), CHUNK):
        events = market.events[market.events[C.USER].isin(users[first : first + CHUNK])]
        log = EventLog.from_frame(
            events, market
        )  # of these users alone: that of all takes a sort of all events
        rows, scores, _ = maker.recommend(log, log.start[:-1], log.start[1:], at, k)
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
    """With the types that `vibes batch` writes."""
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
