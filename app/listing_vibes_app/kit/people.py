"""Users in a table, each with the cover of what they interacted with last."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes_app.server.pages import page_file
from listing_vibes_app.server.photos import cover_url
from listing_vibes_app.server.runs import OpenRun, run_paths

SHOWN_LAST = 3  # listings of a history that a line shows


def last_listings(opened: OpenRun, user: int, known: int) -> dict[str, str | None]:
    """Covers, or titles where the market has no photos, of the newest listings among the first `known` events of a user."""
    log, view = opened.view.log, opened.view
    start = int(log.start[user])
    rows = list(dict.fromkeys(int(row) for row in log.listing[start : start + known][::-1]))[:SHOWN_LAST]
    shown = [cover_url(opened.name, view, row) if view.has_photos else view.title(row) for row in rows]
    shown += [None] * (SHOWN_LAST - len(shown))
    return {"Last" if place == 0 else f"Last but {place}": one for place, one in enumerate(shown)}


def people_table(
    opened: OpenRun,
    table: pd.DataFrame,
    users: Sequence[int],
    known: Sequence[int],
    *,
    key: str,
    alt: str,
    config: dict[str, Any] | None = None,
    on_choose: Callable[[int], None] | None = None,
) -> None:
    """Show one line a user; choosing one leads to that user.

    Args:
        table: what is said of each user.
        users: their numbers.
        known: how many events of each are known.
        config: of more columns.
        on_choose: called with the line that was chosen; None: the page Users is shown as of what is known.
    """
    last = pd.DataFrame([last_listings(opened, *one) for one in zip(users, known, strict=True)])
    shown = pd.concat([table.reset_index(drop=True), last], axis=1)
    columns: dict[str, Any] = dict(config or {})
    if opened.view.has_photos:
        columns |= {name: st.column_config.ImageColumn(width="small") for name in last}
    height = 56 if opened.view.has_photos else 36
    chosen = st.dataframe(
        shown,
        hide_index=True,
        row_height=height,
        height=min(520, 40 + height * len(shown)),
        column_config=columns,
        key=key,
        on_select=(lambda: _call(key, on_choose)) if on_choose else "rerun",
        selection_mode="single-row",
        alt=alt,
    )
    if on_choose is None and chosen.selection.rows:
        line = chosen.selection.rows[0]
        run = {"run": opened.name} if len(run_paths()) > 1 else {}
        params = {"user": opened.view.log.users[users[line]], "at": str(max(1, known[line]))}
        st.switch_page(page_file("users"), query_params={**params, **run})


def _call(key: str, on_choose: Callable[[int], None]) -> None:
    lines = st.session_state[key].selection.rows
    if lines:
        on_choose(lines[0])
