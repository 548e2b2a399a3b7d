"""Pages that are drawn anew when the viewer's system turns dark or light: charts carry the colours of one theme."""

from typing import Literal

import streamlit as st

from listing_vibes_app.kit.component import component

_component = component(__file__, "<i hidden></i>")


def theme() -> Literal["light", "dark"]:
    """The theme that the viewer sees."""
    return "dark" if st.context.theme.type == "dark" else "light"


def theme_watch() -> None:
    """Run the page again after a change of the theme; nothing to be seen."""
    _component(key="theme-watch", data={"drawn": theme()}, on_changed_change=lambda: None)
