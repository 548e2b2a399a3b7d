"""The explorer's own components: script and style lie in files beside this one, on a shared base."""

from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent


def component(name: str, html: str) -> Any:
    """The Streamlit component `name` made of `name.js` and `name.css` after `shared.js` and `shared.css`."""
    return st.components.v2.component(
        f"listing_vibes_{name}", html=html, css=_read(name, "css"), js=_read(name, "js")
    )


def _read(name: str, kind: str) -> str:
    return "\n".join((_HERE / f"{part}.{kind}").read_text(encoding="utf-8") for part in ("shared", name))
