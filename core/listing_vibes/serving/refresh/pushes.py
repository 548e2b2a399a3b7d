"""Recommendations to push: new lists for users with new events, and the earlier lists of all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.run.run import Run
from listing_vibes.serving.batch.list_table import list_schema, list_table

#: Batch size of users to encode.
CHUNK = 1024


def updated_pushes(
    before: pd.DataFrame, run: Run, users: Sequence[str], k: int, name: str, blend: str | None = None
) -> pa.Table:
    """Return the table of pushes: new lists of `run.recommend` for `users`, and the lists in `before` for others.

    Listings that are no longer active are removed from the earlier lists.

    Args:
        run: the state to be published, with its market and its model.
        name: the name of the run in the rows.
        blend: the blend, see `Run.recommend`.
    """
    market, at = run.market, run.after_last_event
    ids, schema = np.array(run.listing_ids, dtype=object), list_schema(C.USER, market.timed)
    rest = before[~before[C.USER].isin(users) & before["candidate_id"].isin(ids[run.catalogue.live(at)])]
    rest = rest.assign(rank=rest.groupby(C.USER).cumcount() + 1)
    parts = [pa.Table.from_pandas(rest, schema, preserve_index=False)]
    recommender = run.recommender(blend=blend)
    for first in range(0, len(users), CHUNK):
        # A log of these users only: building that of all users would sort all events.
        events = market.events[market.events[C.USER].isin(users[first : first + CHUNK])]
        log = EventLog.from_frame(events, market)
        lists = recommender.recommend(log, log.start[:-1], log.start[1:], at, k)
        parts.append(list_table(schema, log.users, ids, lists, name, at))
    return pa.concat_tables(parts)
