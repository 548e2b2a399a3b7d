"""Several runs: which one the pages are about, and links between pages that keep it."""

from collections.abc import Sequence

import streamlit as st
from streamlit.navigation.page import Page

from listing_vibes_app.server.params import chosen, keep
from listing_vibes_app.server.runs import run_label, run_paths, run_sentence
from listing_vibes_app.view.formats import plain


def run_selector(pages: Sequence[Page]) -> None:
    """A sidebar with the choice of a run and the pages; Streamlit's own navigation would lose the run from the URL."""
    names = list(run_paths())
    st.session_state["run"] = chosen("run", names, names[0])
    with st.sidebar:
        st.selectbox(
            "Run", names, key="run", format_func=run_label, on_change=keep, args=("run", "run", names[0])
        )
        st.caption(plain(run_sentence(st.session_state["run"])))
        params = {"run": st.session_state["run"]} if st.session_state["run"] != names[0] else None
        for page in pages:
            st.page_link(page, query_params=params)
