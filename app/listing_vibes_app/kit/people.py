"""Users in a table, each with the covers of the listings they interacted with last."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.photos import cover_url
from listing_vibes_app.server.runs import OpenRun, run_params
from listing_vibes_app.view.formats import MISSING

LAST = 3  # listings of a history that a line shows


def last_listings(opened: OpenRun, user: int, known: int) -> dict[str, str | None]:
    """Return covers, or titles in a market without photos, of the newest listings of a user's first `known` events."""
    log, view = opened.view.log, opened.view
    events = log.listing[log.start[user] : log.start[user] + known][::-1]
    rows = list(dict.fromkeys(events.tolist()))[:LAST]
    shown = [cover_url(opened.name, view, row) if view.has_photos else view.title(row) for row in rows]
    shown += [None] * (LAST - len(shown))
    return {"Last" if place == 0 else f"Last but {place}": item for place, item in enumerate(shown)}


def people_table(
    opened: OpenRun,
    table: pd.DataFrame,
    users: Sequence[int],
    known: Sequence[int],
    *,
    key: str,
    alt: str,
    config: dict[str, Any] | None = None,
) -> None:
    """Show a line for each user; choosing one leads to the page of that user as of what is known.

    Args:
        table: further columns.
        users: their numbers.
        known: how many events of each are known.
        config: of the further columns.
    """
    last = pd.DataFrame([last_listings(opened, *item) for item in zip(users, known, strict=True)])
    covers = {name: st.column_config.ImageColumn(width="small") for name in last}
    shown = pd.concat([table.reset_index(drop=True), last], axis=1)
    line = selectable_table(
        shown,
        key=key,
        alt=alt,
        row_height=56 if opened.view.has_photos else 36,
        column_config=(config or {}) | (covers if opened.view.has_photos else {}),
    )
    if line is not None:
        params = {"user": opened.view.log.users[users[line]], "at": str(max(1, known[line]))}
        st.switch_page(page_file("users"), query_params={**params, **run_params(opened)})


def selectable_table(
    table: pd.DataFrame,
    *,
    key: str,
    row_height: int,
    on_select: Callable[[int], None] | None = None,
    **more: Any,
) -> int | None:
    """Show a table of which a line can be chosen; return its number, or call `on_select` with it."""

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
