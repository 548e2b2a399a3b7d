"""Pages that are drawn anew when the viewer's system turns dark or light: charts carry the colours of one theme."""

import streamlit as st

_SCRIPT = """
const system = matchMedia("(prefers-color-scheme: dark)")
export default ({ setTriggerValue }) => {
  const change = () => setTriggerValue("changed", system.matches ? "dark" : "light")
  system.addEventListener("change", change)
  return () => system.removeEventListener("change", change)
}
"""
_component = st.components.v2.component("listing_vibes_theme_watch", html="<i hidden></i>", js=_SCRIPT)


def theme_watch() -> None:
    """Run the page again after a change of the system's theme; nothing to be seen."""
    _component(key="theme-watch", on_changed_change=lambda: None)
