"""What stands where a run's figures will be: the command that measures it, or why nothing can."""

from shlex import quote

import streamlit as st

from listing_vibes.report.text import USED_UP
from listing_vibes_app.server.runs import OpenRun


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
