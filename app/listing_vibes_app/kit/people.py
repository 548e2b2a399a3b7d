"""A table of users with the covers of the listings that they interacted with last."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.photos import cover_url
from listing_vibes_app.server.runs import OpenRun, run_params
from listing_vibes_app.view.formats import MISSING

LAST = 3  # listings of a history in a row


def last_listings(opened: OpenRun, user: int, events: int) -> dict[str, str | None]:
    """Return covers, or titles in a market without photos, of the last listings in a user's first `events` events."""
    log, view = opened.view.log, opened.view
    listings = log.listing[log.start[user] : log.start[user] + events][::-1]
    rows = list(dict.fromkeys(listings.tolist()))[:LAST]
    shown = [cover_url(opened.name, view, row) if view.has_photos else view.title(row) for row in rows]
    shown += [None] * (LAST - len(shown))
    return {"Last" if place == 0 else f"Last but {place}": item for place, item in enumerate(shown)}


def people_table(
    opened: OpenRun,
    table: pd.DataFrame,
    users: Sequence[int],
    event_counts: Sequence[int],
    *,
    key: str,
    alt: str,
    config: dict[str, Any] | None = None,
) -> None:
    """Show a row for each user; a click opens the page of that user as of the known events.

    Args:
        table: the column `User` and further ones.
        users: numbers of the users.
        event_counts: number of known events of each user.
        config: of the further columns.
    """
    last = pd.DataFrame([last_listings(opened, *item) for item in zip(users, event_counts, strict=True)])
    covers = {name: st.column_config.ImageColumn(width="small") for name in last}
    table = table.reset_index(drop=True)
    # A phone shows the first columns.
    shown = pd.concat([table[["User"]], last, table.drop(columns="User")], axis=1)
    line = selectable_table(
        shown,
        key=key,
        alt=alt,
        row_height=56 if opened.view.has_photos else 36,
        column_config=(config or {}) | (covers if opened.view.has_photos else {}),
    )
    if line is not None:
        params = {"user": opened.view.log.users[users[line]], "at": str(max(1, event_counts[line]))}
        st.switch_page(page_file("users"), query_params={**params, **run_params(opened)})


def selectable_table(
    table: pd.DataFrame,
    *,
    key: str,
    row_height: int,
    on_select: Callable[[int], None] | None = None,
    **more: Any,
) -> int | None:
    """Show a table with selectable rows; return the number of the selected row, or call `on_select` with it."""

    def select() -> None:
        if (rows := st.session_state[key].selection.rows) and on_select is not None:
            on_select(rows[0])

    chosen = st.dataframe(
        table,
        hide_index=True,
        row_height=row_height,
        height=min(700, 40 + row_height * len(table)),
        key=key,
        on_select=select if on_select is not None else "rerun",
        selection_mode="single-row",
        placeholder=MISSING,
        **more,
    )
    return next(iter(chosen.selection.rows), None)
