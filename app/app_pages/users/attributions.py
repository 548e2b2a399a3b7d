"""The events that carried a recommendation, as its card tells them."""

import numpy as np
import streamlit as st

from app.kit.gallery import Reason
from app.server.photos import cover_url
from app.server.runs import OpenRun, run_key
from app.view.formats import words
from app.view.history import history_frame
from core.insight.why.carried import carried

MOST = 2  # events told at a recommendation
LEAST = 0.001  # what an event must add to be told


@st.cache_data(show_spinner=False, max_entries=32)
def _carried(key: object, user: int, at: int, listings: tuple[str, ...], _opened: OpenRun) -> np.ndarray:
    return carried(_opened.run, history_frame(_opened.view, user, at), listings)


def attributions(opened: OpenRun, user: int, at: int, listings: list[str]) -> list[list[Reason]]:
    """For each of `listings` the events among the first `at` of a user that add most to its score.

    Raises:
        VibesError: see `core.insight.why.carried.carried`.
    """
    added = _carried(run_key(opened), user, at, tuple(listings), opened)  # (E, K)
    log, view = opened.view.log, opened.view
    first = int(log.start[user])
    found = []
    for column in added.T:
        told = []
        for event in np.argsort(-column, kind="stable")[:MOST]:
            if column[event] < LEAST:
                break
            row = int(log.listing[first + event])
            action = int(log.action[first + event])
            what = f", {words(log.actions[action]).lower()}" if action >= 0 else ""
            told.append(
                Reason(
                    title=view.title(row),
                    note=f"+{column[event]:.3f} · event {event + 1:,}{what}",
                    photo=cover_url(opened.name, view, row),
                )
            )
        found.append(told)
    return found
