"""Notices of a page: unused parts of its link, a changed market, an untrained or not evaluated run."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from listing_vibes.errors import VibesError
from listing_vibes.run.stored import changed_sentence
from listing_vibes.words import enumerated
from listing_vibes_app.kit.spaces import label_of
from listing_vibes_app.server.params import take_unused
from listing_vibes_app.server.runs import OpenRun, current_run
from listing_vibes_app.view.formats import plain, shorten

LONGEST = 60  # characters of a parameter in a notice


@contextmanager
def link_notices() -> Iterator[None]:
    """Draw the page in the block, with a notice above it of what the link names and the page could not use."""
    take_unused()  # of an interrupted run of the page or of a click
    above = st.container()
    yield
    if unused := take_unused():
        parts = [f"“{name}={shorten(value, LONGEST)}”" for name, value in unused]
        sentence = f"The link names what does not exist here; the page is shown without {enumerated(parts)}."
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
