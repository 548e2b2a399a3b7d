"""Is the run still good? What `vibes monitor` found last, or how to find out."""

from shlex import quote

import streamlit as st

from listing_vibes.serving.monitor.checks import Monitored
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import plain

TITLE = "Is it still good?"


def crossed_notice(opened: OpenRun) -> None:
    """On top of the page, where the last look crossed a threshold."""
    found = Monitored.load(opened.run.path)
    if found is not None and found.crossed:
        st.warning(f"{plain(found.verdict)} See “{TITLE}” below.", icon=":material/monitor_heart:")


def show_still_good(opened: OpenRun) -> None:
    """What crossed a threshold and what to look at, and the rest folded."""
    found = Monitored.load(opened.run.path)
    measured = bool((opened.run.metrics or {}).get("results"))
    if found is None and not measured:  # the page names the command that measures it, which comes first
        return
    st.header(TITLE, anchor=False)
    if found is None:
        st.markdown(
            "Nobody has looked since it was measured. After new events and listings came in, ask with"
        )
        st.code(f"vibes monitor {quote(str(opened.run.path))}", language=None, wrap_lines=True)
        return
    st.markdown(f"**{plain(found.verdict)}**" if found.crossed else plain(found.verdict))
    for check in found.crossed:
        st.markdown(f"- {plain(check.sentence)} Look at: {plain(check.look)}")
    if found.quiet:
        with st.expander("What else was looked at"):
            for sentence in found.quiet:
                st.markdown(f"- {plain(sentence)}")
    st.caption(f"Looked at {found.looked} UTC, {_state(found, opened)}")


def _state(found: Monitored, opened: OpenRun) -> str:
    """Whether the run is still as it was then."""
    behind = opened.run.generation - found.generation
    if behind > 0:
        return f"{behind} {'refresh' if behind == 1 else 'refreshes'} ago; ask again with vibes monitor."
    return "the state that is shown here."
