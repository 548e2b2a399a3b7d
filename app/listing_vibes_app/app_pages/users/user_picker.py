"""Choosing a user: by id, by chance, or from those with enough history."""

import numpy as np
import pandas as pd
import streamlit as st

from listing_vibes_app.kit.empty import empty
from listing_vibes_app.kit.people import people_table
from listing_vibes_app.server.params import keep, set_params, whole
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import count, moment
from listing_vibes_app.view.market import MarketView

ROWS = 200


def choose_user(user: str | None) -> None:
    """Make `user` the one shown; None goes back to choosing."""
    set_params(user=user, at=None)


def choose_any_user(view: MarketView, least: int) -> None:
    """Show a user drawn by chance among those with at least `least` events."""
    enough = np.flatnonzero(np.diff(view.log.start) >= least)
    if len(enough):
        choose_user(view.log.users[int(np.random.default_rng().choice(enough))])


def find_users(view: MarketView, text: str, least: int) -> np.ndarray:
    """Users whose name holds `text`, with at least `least` events: an exact one first, then the longest histories; where names
    are hashed, also the user of the id `text`."""
    length = np.diff(view.log.start)
    hit, exact = length >= least, np.zeros(len(length), bool)
    if text:
        if (number := view.user_row.get(text)) is not None:
            exact[number] = True
        hit &= exact | np.array([text.lower() in user.lower() for user in view.log.users], bool)
    rows = np.flatnonzero(hit)
    return rows[np.lexsort((rows, -length[rows], ~exact[rows]))]


def users_table(view: MarketView, rows: np.ndarray) -> pd.DataFrame:
    """One line a user: what to call them, how many events, and from when to when."""
    log = view.log
    first, last = log.start[rows], log.start[rows + 1] - 1
    table = {"User": [view.user_name(int(row)) for row in rows], "Events": np.diff(log.start)[rows]}
    if log.timed:
        table["First event"] = [moment(int(value)) for value in log.time[first]]
        table["Last event"] = [moment(int(value)) for value in log.time[last]]
    return pd.DataFrame(table)


def user_picker(opened: OpenRun) -> None:
    """Search box, least history, chance, and a table to choose from."""
    view = opened.view
    longest = int(np.diff(view.log.start).max())
    least = whole("least", 1, 1, longest)
    st.session_state["who"], st.session_state["least"] = st.query_params.get("who", ""), least
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "User id",
            key="who",
            type="search",
            icon=":material/search:",
            placeholder="An id or a part of it",
            on_change=keep,
            args=("who", "who"),
            width=300,
        )
        st.number_input(
            "Events at least",
            1,
            longest,
            key="least",
            on_change=keep,
            args=("least", "least", 1),
            width=150,
            help="Only users with at least this many events",
        )
        st.button("Any user", icon=":material/casino:", on_click=choose_any_user, args=(view, least))
    text = st.session_state["who"].strip()
    rows = find_users(view, text, least)
    if not len(rows):
        empty(
            f"No user matches “{text}”" if text else "No user has so many events",
            "Try a shorter part of the id, or ask for fewer events.",
            icon=":material/search_off:",
            action="Show all users",
            on_click=lambda: set_params(who=None, least=None),
            key="clear-users",
        )
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
        on_choose=lambda line: choose_user(view.log.users[int(shown[line])]),
        alt="Users with the number of their events",
    )
