"""What another market's model knows of this one, and what was to be expected of it."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from listing_vibes.insight.passport import Passport, kept_passport
from listing_vibes.words import percent
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import MISSING, plain


def show_passport(opened: OpenRun) -> Callable[[], None]:
    """The passport of the market before its model, folded; for a model of another market.

    What fills it, for when the rest of the page is drawn, is returned: in a large market that takes a while the first time.
    """
    box = st.expander("What the model knows of this market")

    def fill() -> None:
        with box, st.spinner("Counting …"):
            _fill(opened)

    return fill


def _fill(opened: OpenRun) -> None:
    results = (opened.run.metrics or {}).get("results", {})
    reached = results.get("attribute neighbors", {}).get("recall@30", {}).get("value")
    found = _passport(opened.view.market.fingerprint, str(opened.run.folder), reached, opened)
    if found.nearest is not None:
        st.markdown(
            f"Of the markets that it was trained on **{plain(found.nearest)}** is the nearest: "
            f"{_share(found.shift)} of the values would have to move to make this market of it."
        )
    if found.photo_shift is not None:
        st.markdown(f"Photos lie {_share(found.photo_shift)} of their spread away from those that it knows.")
    if found.expectation:
        st.markdown(plain(found.expectation))
    table = pd.DataFrame(
        {
            "Attribute": [one.name for one in found.attributes],
            "Known": ["yes" if one.known else "no" for one in found.attributes],
            "Values known": [_share(one.values_known) for one in found.attributes],
            "Moved": [_share(one.shift) for one in found.attributes],
        }
    )
    st.table(
        table.map(plain),
        hide_index=True,
        border="horizontal",
        alt="What the model knows of each attribute",
    )


@st.cache_data(show_spinner=False, max_entries=8)
def _passport(fingerprint: str, folder: str, reached: float | None, _opened: OpenRun) -> Passport:
    return kept_passport(_opened.run, reached)


def _share(value: float | None) -> str:
    return MISSING if value is None else percent(value)
