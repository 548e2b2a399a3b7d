"""The explorer's own components: script and style lie in files beside this one, on a shared base."""

from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


def component(name: str, html: str, *parts: str) -> Any:
    """The Streamlit component `name` made of `name.js` and `name.css` after those of `shared` and the scripts `parts`."""
    return st.components.v2.component(
        f"listing_vibes_{name}",
        html=html,
        css=_read("css", "shared", name),
        js=_read("js", "shared", *parts, name),
    )


def _read(kind: str, *names: str) -> str:
    return "\n".join((_HERE / f"{name}.{kind}").read_text(encoding="utf-8") for name in names)
