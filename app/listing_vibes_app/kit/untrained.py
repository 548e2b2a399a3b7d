"""What recommends in a run without a model."""

import streamlit as st

from listing_vibes.run.describe import untrained_sentence
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import plain


def untrained_caption(opened: OpenRun) -> None:
    """Name the untrained neighbors where the run has no model; else write nothing."""
    if not opened.run.has_model:
        st.caption(plain(untrained_sentence(opened.run)))
