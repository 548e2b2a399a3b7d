"""Cold listings: which ones nobody touched before training ended, and what is kept of the run to ask about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from listing_vibes import Run
from listing_vibes.insight.audience import USERS, Audience
from listing_vibes.insight.launch.crowd import Crowd
from listing_vibes.insight.launch.drafts import Draft
from listing_vibes.insight.launch.launch import Launch, launch
from listing_vibes.run.newcomers import Newcomer, Newcomers
from listing_vibes_app.server.runs import OpenRun, RunKey, run_key


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


@st.cache_resource(show_spinner=False, max_entries=8)
def _audience(key: RunKey, before: int | None, _run: Run) -> Audience:
    return Audience.of(_run, USERS, before)


def audience(opened: OpenRun, before: int | None) -> Audience:
    """The users active last, as of a moment or of the last event.

    Raises:
        VibesError: no model, or no history before that moment.
    """
    return _audience(run_key(opened), before, opened.run)


@st.cache_resource(show_spinner=False, max_entries=4)
def _crowd(key: RunKey, _run: Run) -> Crowd:
    return Crowd.of(_run)


def crowd(opened: OpenRun) -> Crowd:
    """All users who may be reached.

    Raises:
        VibesError: no model, or nobody has a history.
    """
    return _crowd(run_key(opened), opened.run)


@st.cache_resource(show_spinner=False, max_entries=64)
def _launched(
    key: RunKey, draft: str, photos: tuple[bytes, ...], advise: bool, _opened: OpenRun, _cells: Any
) -> Launch:
    made = _newcomers(key, _opened.run)
    return launch(_opened.run, Draft(_cells, photos), advise=advise, crowd=crowd(_opened), newcomers=made)


def launched(
    opened: OpenRun, draft: str, cells: dict[str, Any], photos: Sequence[bytes], advise: bool
) -> Launch:
    """What an entered listing would find; with `advise` also what each single change would do.

    Raises:
        VibesError: a value that cannot be read, or an encoder that is not at hand.
    """
    return _launched(run_key(opened), draft, tuple(photos), advise, opened, cells)


@st.cache_resource(show_spinner=False, max_entries=8)
def _newcomers(key: RunKey, _run: Run) -> Newcomers:
    return Newcomers(_run)


@st.cache_resource(show_spinner=False, max_entries=32)
def _encoded(
    key: RunKey, space: str, draft: str, photos: tuple[bytes, ...], _opened: OpenRun, _cells: Any
) -> Newcomer:
    return _newcomers(key, _opened.run).encode(_cells, photos, [space])


def encoded(
    opened: OpenRun, space: str, draft: str, cells: dict[str, Any], photos: Sequence[bytes]
) -> Newcomer:
    """An entered listing in one space; `draft` is `cells` as text.

    Raises:
        VibesError: a value that cannot be read, or an encoder that is not at hand.
    """
    return _encoded(run_key(opened), space, draft, tuple(photos), opened, cells)


@st.cache_resource(show_spinner=False, max_entries=16)
def _plane(key: RunKey, space: str, _run: Run) -> tuple[np.ndarray, np.ndarray, float]:
    index = _run.index(space)
    known = index.vectors[index.known]
    mean = known.mean(axis=0)
    spread, directions = np.linalg.eigh(
        np.cov((known - mean).T) if len(known) > 1 else np.eye(known.shape[1])
    )
    return mean, directions[:, ::-1][:, :2], float(spread[::-1][:2].sum() / max(spread.sum(), 1e-12))


def plane(opened: OpenRun, space: str) -> tuple[np.ndarray, np.ndarray, float]:
    """The mean (d,) of a space, its two widest directions (d, 2), and the share of all spread that they hold."""
    return _plane(run_key(opened), space, opened.run)
