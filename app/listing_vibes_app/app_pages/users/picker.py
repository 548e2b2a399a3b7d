"""Choosing a user: by id, at random, or from cards."""

import numpy as np
import streamlit as st

from listing_vibes.cache import cached_per_object
from listing_vibes.run.run import Run
from listing_vibes_app.kit.controls import any_user, page_of, search_box
from listing_vibes_app.kit.notices import empty
from listing_vibes_app.kit.people import people_gallery
from listing_vibes_app.server.params import bind, link, set_params
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import count, moment

PAGE = 24


def choose_user(user: str | None) -> None:
    """Show `user`; None returns to all users."""
    set_params(user=user, at=None)


@cached_per_object
def checkable_users(run: Run) -> np.ndarray:
    """Return (U,) bool: users with a new listing in the last fifth of their events, by which a list of the rest can be checked."""
    log = run.log
    length, event = np.diff(log.start), np.arange(len(log))
    known = log.start[:-1] + np.maximum(1, length - np.maximum(1, length // 5))
    pair = log.user.astype(np.int64) * log.listings + log.listing
    is_new = np.isin(event, np.unique(pair, return_index=True)[1])
    checks = is_new & log.is_positive & (event >= known[log.user])
    return np.bincount(log.user[checks], minlength=len(length)) > 0


def find_users(run: Run, text: str, least: int) -> np.ndarray:
    """Return users whose name contains `text`, with at least `least` events.

    An exact match comes first, then users whose recommendations can be checked, then those whose history is nearest to the median
    length of such histories. If names are hashed, the user with the id `text` also matches.
    """
    length, checkable = np.diff(run.log.start), checkable_users(run)
    hit, exact = length >= least, np.zeros(len(length), bool)
    if text:
        if (number := run.user_number.get(text)) is not None:
            exact[number] = True
        hit &= exact | np.array([text.lower() in user.lower() for user in run.log.users], bool)
    rows = np.flatnonzero(hit)
    far = np.abs(length - np.median(length[checkable] if checkable.any() else length))[rows]
    return rows[np.lexsort((rows, far, ~checkable[rows], ~exact[rows]))]


def picker(opened: OpenRun) -> None:
    """Draw the search, the minimum number of events, and cards to choose from."""
    log = opened.view.log
    length = np.diff(log.start)
    longest = int(length.max())
    least = link().number("least", 1, 1, longest)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = search_box("who", "User id", "An id or a part of it", clears=("page",))
        bound = bind("least", least, 1, clears=("page",))
        st.number_input("Events at least", 1, longest, width=150, **bound)
        any_user(opened, lambda user: choose_user(log.users[user]), least)
    rows = find_users(opened.run, text, least)
    if not len(rows):
        title = f"No user matches “{text}”" if text else "No user has so many events"
        why = "Try a shorter part of the id, or fewer events."
        empty(title, why, "Show all users", lambda: set_params(who=None, least=None))
        return
    checkable = int(checkable_users(opened.run)[rows].sum())
    line = (
        f"{count(len(rows), 'user')}; those whose recommendations can be checked ({checkable:,}) come first"
    )
    users = page_of(rows, PAGE, line).tolist()
    last = log.start[np.array(users) + 1] - 1
    notes = [f"until {moment(int(time))}" if log.timed else "" for time in log.time[last]]
    people_gallery(
        opened,
        users,
        length[users].tolist(),
        key="users",
        label="Users with their last listings",
        notes=notes,
    )
