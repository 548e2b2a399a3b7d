"""The explorer's own components: script and style lie beside the module that draws them, or, where a notebook draws the same,
in `core/widgets/web`, on a base that all share."""

from pathlib import Path
from typing import Any

import streamlit as st

from core.widgets.scripts import WEB, read


def component(module: str, html: str, *parts: str) -> Any:
    """The Streamlit component of a module's `__file__`: the `.js` and `.css` of the same name, after those of `shared`.

    Args:
        module: `__file__` of the module that draws the component; its name is the component's.
        html: what the script fills.
        parts: names of more scripts beside the component's own, which come before it.
    """
    own = Path(module).with_suffix("")
    folder = own.parent if own.with_suffix(".js").is_file() else WEB
    scripts = [WEB / "shared", *(folder / part for part in (*parts, own.name))]
    return st.components.v2.component(
        f"listing_vibes_{own.name}",
        html=html,
        css=read("css", [scripts[0], scripts[-1]]),
        js=read("js", scripts),
    )


def happened(key: str, what: str) -> Any:
    """What the user has just done to the component of a key, such as the `outline` drawn; None for nothing of that."""
    value = st.session_state.get(key)
    return value.get(what) if value else None
