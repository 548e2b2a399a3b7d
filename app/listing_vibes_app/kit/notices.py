"""What pages say of their link, their run and its market: asked for in vain, changed, untrained, not measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.report.text import USED_UP
from listing_vibes.run.describe import untrained_sentence
from listing_vibes.run.market_state import changed_sentence
from listing_vibes_app.server.params import take_in_vain
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import plain


@contextmanager
def asked_in_vain() -> Iterator[None]:
    """Draw a page within; what its link asked for in vain is told above it once the page has read its link."""
    take_in_vain()  # of a run of the page that was broken off, or of a click
    above = st.container()
    yield
    for sentence in take_in_vain():
        above.info(plain(sentence), icon=":material/link_off:")


def market_notice() -> None:
    """Show that the market of the current run changed since the run was made."""
    try:
        run = current_run().run
    except VibesError:  # the page itself says why there is none
        return
    if run.market_changed:
        st.warning(plain(changed_sentence(run)), icon=":material/history:")


def untrained_caption(opened: OpenRun) -> None:
    """Name the untrained neighbors where the run has no model; else write nothing."""
    if not opened.run.has_model:
        st.caption(plain(untrained_sentence(opened.run)))


def unmeasured(opened: OpenRun) -> None:
    """The command; of a run that was trained on every event, who has the figures."""
    if not opened.run.has_model:
        st.markdown(
            "This run has no trained model, so there is nothing to measure; train one with vibes train."
        )
        return
    if not opened.view.has_events:
        st.markdown(
            "This market has no events, so there is nothing to measure. Similar listings, the map and recommendations "
            "for a history made by hand work."
        )
        return
    if opened.run.trained_on_everything:
        st.markdown(USED_UP)
        return
    st.markdown("Not measured yet. Measure it against five baselines with")
    st.code(f"vibes evaluate {quote(str(opened.run.path))}", language=None, wrap_lines=True)
