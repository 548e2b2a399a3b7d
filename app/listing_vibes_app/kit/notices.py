"""Notices of a page: unused parts of its link, a changed market, an untrained or not evaluated run."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.report.text import USED_UP
from listing_vibes.run.market_state import changed_sentence
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.params import take_unused
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import plain


@contextmanager
def link_notices() -> Iterator[None]:
    """Draw the page in the block, with a notice above it for each part of the link that it could not use."""
    take_unused()  # remove notices of an interrupted run of the page or of a click
    above = st.container()
    yield
    for sentence in take_unused():
        above.info(plain(sentence), icon=":material/link_off:")


def market_notice() -> None:
    """Show that the market of the current run changed since the run was made."""
    try:
        run = current_run().run
    except VibesError:  # the page shows the error
        return
    if run.market_changed:
        st.warning(plain(changed_sentence(run)), icon=":material/history:")


def untrained_caption(opened: OpenRun) -> None:
    """Show that lists come from the untrained baseline if the run has no model."""
    if not opened.run.has_model:
        st.caption(
            f"Without a trained model these are untrained neighbors, by {label_of(opened.run.spaces[0]).lower()}."
        )


def not_evaluated(opened: OpenRun) -> None:
    """Show why there are no measures, and how to compute them."""
    if not opened.run.has_model:
        why = "This run has no trained model, so there is nothing to measure; train one with `vibes train`."
    elif not opened.view.has_events:
        why = "This market has no events, so there is nothing to measure. Similar listings and the map work."
    elif opened.run.trained_on_everything:
        why = USED_UP
    else:
        why = "Not measured yet; `vibes evaluate` measures the run against baselines."
    st.markdown(why)
