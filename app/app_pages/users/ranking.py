"""What a user's recommendations go by: the model alone, or with what serving adds to it."""

import pandas as pd
import streamlit as st

from app.kit.switch import switch
from app.server.runs import OpenRun, run_key
from app.view.history import history_frame, moment_of
from core.run.fits import load_fits, telling

NAMES = {"recency": "Recency", "neighbours": "Neighbours", "neighbours+recency": "Both"}
ALONE = {"neighbours+recency": "Neighbours and recency"}  # where one of the two is not offered by itself
NOTHING = "nothing"
HELP = (
    "**Recency**: what many touched lately comes first · **Neighbours**: what lies near the history by its attributes, photos "
    "or texts, untrained, comes first. Each is weighed as it served best on validation."
)


def additions(opened: OpenRun) -> dict[str, str]:
    """The names of what `vibes evaluate` fitted beside the model, by those of `Run.recommend`; none that changes nothing."""
    fits = telling(load_fits(opened.run.path))
    names = NAMES if len(fits) == len(NAMES) else NAMES | ALONE
    return {fit.added: names[fit.added] for fit in fits if fit.added in names}


def addition(opened: OpenRun, offered: dict[str, str]) -> str:
    """The chosen one of them, "" for the model alone, which is the first to be shown but of a run that was trained beside
    recency."""
    if not offered:
        return ""
    beside = opened.run.manifest.settings.training.recency_days and "recency" in offered
    options, usual = {NOTHING: "Nothing", **offered}, "recency" if beside else NOTHING
    added = switch("Add to the model", "with", options, usual, help=HELP)
    return "" if added == NOTHING else added


def ranked(opened: OpenRun, user: int, at: int, k: int, added: str) -> pd.DataFrame:
    """The `k` best listings for the first `at` events of a user, as of the next one: `listing_id, score`.

    Raises:
        VibesError: see `Run.recommend`.
    """
    if not added:
        return opened.run.recommend(
            history_frame(opened.view, user, at), k=k, at=moment_of(opened.view, user, at)
        )
    return _ranked(run_key(opened), user, at, k, added, opened)


@st.cache_data(show_spinner=False, max_entries=32)
def _ranked(key: object, user: int, at: int, k: int, added: str, _opened: OpenRun) -> pd.DataFrame:
    history, moment = history_frame(_opened.view, user, at), moment_of(_opened.view, user, at)
    return _opened.run.recommend(history, k, moment, beside=added)
