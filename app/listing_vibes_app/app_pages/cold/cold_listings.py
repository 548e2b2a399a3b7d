"""Cold listings: which ones nobody touched before training ended, and what is kept of the run to ask about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from listing_vibes.insight.audience import USERS, Audience
from listing_vibes.insight.launch.crowd import Crowd
from listing_vibes.insight.launch.drafts import Draft
from listing_vibes.insight.launch.launch import Launch, launch
from listing_vibes.run.newcomers import Newcomer, Newcomers
from listing_vibes_app.server.runs import BY_RUN, OpenRun


def training_end(opened: OpenRun) -> int | None:
    """When the training of the run's model ended, in the log's time; None where it did not end at a moment."""
    return opened.run.trained_until if opened.run.has_model and opened.view.market.timed else None


@dataclass(frozen=True, eq=False)
class ColdListings:
    """Rows of the market in its order."""

    untouched: np.ndarray  # no event at all
    later: np.ndarray  # the first event came after training
    touches: np.ndarray  # (L,) events of each listing


def cold_listings(opened: OpenRun) -> ColdListings:
    """The cold listings of a run's market."""
    end = training_end(opened)
    if not opened.view.has_events:
        return ColdListings(
            np.arange(len(opened.view)), np.empty(0, np.int64), np.zeros(len(opened.view), int)
        )
    log = opened.view.log
    touches = log.counts()
    before = log.counts(log.time < end) if end is not None else touches
    return ColdListings(np.flatnonzero(touches == 0), np.flatnonzero((before == 0) & (touches > 0)), touches)


def later_users(opened: OpenRun, row: int) -> set[str]:
    """The users who touched a listing after training ended."""
    end = training_end(opened)
    if end is None:
        return set()
    log = opened.view.log
    rows = np.flatnonzero((log.listing == row) & (log.time >= end) & log.wanted)
    return {log.users[number] for number in log.user[rows]}


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def audience(opened: OpenRun, before: int | None) -> Audience:
    """The users active last, as of a moment or of the last event.

    Raises:
        VibesError: no model, or no history before that moment.
    """
    return Audience.of(opened.run, USERS, before)


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs=BY_RUN)
def crowd(opened: OpenRun) -> Crowd:
    """All users who may be reached.

    Raises:
        VibesError: no model, or nobody has a history.
    """
    return Crowd.of(opened.run)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_RUN)
def launched(opened: OpenRun, cells: dict[str, Any], photos: Sequence[bytes], advise: bool) -> Launch:
    """What an entered listing would find; with `advise` also what each single change would do.

    Raises:
        VibesError: a value that cannot be read, or an encoder that is not at hand.
    """
    made, asked = newcomers(opened), crowd(opened)
    return launch(opened.run, Draft(cells, tuple(photos)), advise=advise, crowd=asked, newcomers=made)


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def newcomers(opened: OpenRun) -> Newcomers:
    """What encodes listings that the run does not have."""
    return Newcomers(opened.run)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_RUN)
def encoded(opened: OpenRun, space: str, cells: dict[str, Any], photos: Sequence[bytes]) -> Newcomer:
    """An entered listing in one space.

    Raises:
        VibesError: a value that cannot be read, or an encoder that is not at hand.
    """
    return newcomers(opened).encode(cells, tuple(photos), [space])
