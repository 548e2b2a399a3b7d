"""Choosing a user: by id, at random, or from a table."""

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes.insight.market_view import MarketView
from listing_vibes.run.run import Run
from listing_vibes_app.kit.controls import any_user, search_box
from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.people import people_table
from listing_vibes_app.server.params import bind, link, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import count, moment

ROWS = 200


def choose_user(user: str | None) -> None:
    """Show `user`; None returns to the table of users."""
    set_params(user=user, at=None)


def find_users(run: Run, text: str, least: int) -> np.ndarray:
    """Return users whose name contains `text`, with at least `least` events: an exact match first, then the longest histories.

    If names are hashed, the user with the id `text` also matches.
    """
    length = np.diff(run.log.start)
    hit, exact = length >= least, np.zeros(len(length), bool)
    if text:
        if (number := run.user_number.get(text)) is not None:
            exact[number] = True
        hit &= exact | np.array([text.lower() in user.lower() for user in run.log.users], bool)
    rows = np.flatnonzero(hit)
    return rows[np.lexsort((rows, -length[rows], ~exact[rows]))]


def users_table(view: MarketView, rows: np.ndarray) -> pd.DataFrame:
    """Return a row for each user: name, number of events, first and last event."""
    log = view.log
    first, last = log.start[rows], log.start[rows + 1] - 1
    table = {"User": [view.user_name(int(row)) for row in rows], "Events": np.diff(log.start)[rows]}
    if log.timed:
        table["First event"] = [moment(int(value)) for value in log.time[first]]
        table["Last event"] = [moment(int(value)) for value in log.time[last]]
    return pd.DataFrame(table)


def picker(opened: OpenRun) -> None:
    """Draw the search, the minimum number of events, and a table to choose from."""
    view = opened.view
    longest = int(np.diff(view.log.start).max())
    least = link().number("least", 1, 1, longest)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = search_box("who", "User id", "An id or a part of it")
        st.number_input("Events at least", 1, longest, width=150, **bind("least", least, 1))
        any_user(opened, lambda user: choose_user(view.log.users[user]), least)
    rows = find_users(opened.run, text, least)
    if not len(rows):
        title = f"No user matches “{text}”" if text else "No user has so many events"
        why = "Try a shorter part of the id, or fewer events."
        empty(title, why, "Show all users", lambda: set_params(who=None, least=None))
        return
    more = f"; the {ROWS} with the longest histories are listed" if len(rows) > ROWS else ""
    st.caption(f"{count(len(rows), 'user')}{more}. Choose a line to see the history.")
    shown = rows[:ROWS]
    people_table(
        opened,
        users_table(view, shown),
        shown.tolist(),
        np.diff(view.log.start)[shown].tolist(),
        key="user-table",
        config={"Events": st.column_config.NumberColumn(format="localized")},
        alt="Users with the number of their events",
    )
