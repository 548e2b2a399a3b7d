"""Presenting: views that a person pinned, with notes, one after the other and nothing else on the screen.

Pins lie in the viewer's own browser: another viewer of the same server has others, and nothing is written on the server.
"""

from urllib.parse import quote

import streamlit as st

from listing_vibes_app.kit.component import component
from listing_vibes_app.server.params import chosen
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import run_paths

_component = component(__file__, '<div class="presenter"></div>')


def presenter(title: str) -> None:
    """The line with "Pin this view" and "Pinned views" at the foot of a page, and what is shown while presenting."""
    runs = list(run_paths())
    name = chosen("run", runs, runs[0]) if runs else ""
    report = (
        {"address": f"{base_path()}/report/{quote(name, safe='')}", "file": f"{name}-report.html"}
        if runs
        else None
    )
    with st.container(key="presenter"):
        _component(key="presenter-line", data={"title": title, "report": report})
