"""Users as cards with the listings that they interacted with last, and a table with selectable rows."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes_app.kit.gallery import Card, gallery, page_url
from listing_vibes_app.server.photos import SMALL, cover_url
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import MISSING, count

LAST = 4  # listings of a history on a card


def people_gallery(
    opened: OpenRun,
    users: Sequence[int],
    event_counts: Sequence[int],
    *,
    key: str,
    label: str,
    notes: Sequence[str],
    badges: Sequence[str] = (),
    at: Sequence[int] = (),
) -> None:
    """Show a card for each user, which links to the user's page.

    Args:
        users: numbers of the users.
        event_counts: number of events of each user, of which the last ones are shown.
        label: description of the list for screen readers.
        notes: on each card, after the number of events.
        badges: of each card.
        at: the number of events that the recommendations on the user's page know; by default four fifths of all.
    """
    log, view, cards = opened.view.log, opened.view, []
    for place, (user, events) in enumerate(zip(users, event_counts, strict=True)):
        listings = log.listing[log.start[user] : log.start[user] + events]
        rows = list(dict.fromkeys(listings[::-1].tolist()))[:LAST][::-1]
        known = {"at": at[place]} if len(at) else {}
        last = [] if view.has_photos else [("Last", view.title(row)) for row in rows[-1:]]
        card = Card(
            title=view.user_name(user),
            href=page_url(opened, "users", user=log.users[user], **known),
            covers=[cover_url(opened.name, view, row, SMALL) or "" for row in rows]
            if view.has_photos
            else [],
            step=" · ".join(filter(None, [count(events, "event"), notes[place]])),
            facts=last,
            badge=badges[place] if badges else "",
        )
        cards.append(card)
    gallery(opened, cards, key=key, label=label, least=250)


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
