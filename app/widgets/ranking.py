"""What a user's recommendations go by: the model alone, or with what serving adds to it."""

import pandas as pd
import streamlit as st

from app.history import history_frame, moment_of
from app.session import Current, run_key
from app.widgets.switch import switch
from core.run.fits import load_fits, telling

NAMES = {"recency": "Recency", "neighbours": "Neighbours", "neighbours+recency": "Both"}
ALONE = {"neighbours+recency": "Neighbours and recency"}  # where one of the two is not offered by itself
NOTHING = "nothing"
HELP = (
    "**Recency**: what many touched lately comes first · **Neighbours**: what lies near the history by its attributes, photos "
    "or texts, untrained, comes first. Each is weighed as it served best on validation."
)


def additions(here: Current) -> dict[str, str]:
    """The names of what `vibes evaluate` fitted beside the model, by those of `Run.recommend`; none that changes nothing."""
    fits = telling(load_fits(here.run.path))
    names = NAMES if len(fits) == len(NAMES) else NAMES | ALONE
    return {fit.added: names[fit.added] for fit in fits if fit.added in names}


def addition(here: Current, offered: dict[str, str]) -> str:
    """The chosen one of them, "" for the model alone, which is the first to be shown but of a run that was trained beside
    recency."""
    if not offered:
        return ""
    beside = here.run.manifest.settings.training.recency_days and "recency" in offered
    options, usual = {NOTHING: "Nothing", **offered}, "recency" if beside else NOTHING
    added = switch("Add to the model", "with", options, usual, help=HELP)
    return "" if added == NOTHING else added


def ranked(here: Current, user: int, at: int, k: int, added: str) -> pd.DataFrame:
    """The `k` best listings for the first `at` events of a user, as of the next one: `listing_id, score`.

    Raises:
        VibesError: see `Run.recommend`.
    """
    if not added:
        return here.run.recommend(history_frame(here.view, user, at), k=k, at=moment_of(here.view, user, at))
    return _ranked(run_key(here), user, at, k, added, here)


@st.cache_data(show_spinner=False, max_entries=32)
def _ranked(key: object, user: int, at: int, k: int, added: str, _here: Current) -> pd.DataFrame:
    history, moment = history_frame(_here.view, user, at), moment_of(_here.view, user, at)
    return _here.run.recommend(history, k, moment, beside=added)
