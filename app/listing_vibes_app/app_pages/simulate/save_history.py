"""Keeping a simulated history: as a link, and as a file for the command line."""

from urllib.parse import urlencode

import streamlit as st

from listing_vibes.insight.selection.pages import simulate
from listing_vibes.insight.selection.selection import FILE
from listing_vibes_app.app_pages.simulate.history import document
from listing_vibes_app.server.runs import OpenRun


def save_history(opened: OpenRun, histories: dict[str, str]) -> None:
    """Link, files and the command that reads them; `histories` are texts by what people call them."""
    filled = {target: text for target, text in histories.items() if text}
    with st.popover("Save and share", icon=":material/ios_share:", disabled=not filled):
        st.markdown("**A link to this view**")
        query = urlencode(st.query_params.to_dict())
        st.code(f"{st.context.url or ''}?{query}", language=None, wrap_lines=True)
        st.markdown("**A file**")
        names = [FILE if len(histories) == 1 else f"history-{target[-1].lower()}.json" for target in filled]
        for (target, text), name in zip(filled.items(), names, strict=True):
            st.download_button(
                f"{target[:1].upper()}{target[1:]} as JSON",
                document(text),
                file_name=name,
                mime="application/json",
                icon=":material/download:",
                key=f"save-{target}",
                on_click="ignore",
            )
        st.caption("The command line recommends the same from it:")
        asked = simulate(opened.run, st.query_params.to_dict()) if filled else []
        for one, name in zip(asked, names, strict=True):
            st.code(one.command(str(opened.run.path), name), language=None, wrap_lines=True)
