"""The explorer's own components: script and style lie in files beside the module that draws them, on a shared base."""

from pathlib import Path
from typing import Any

import streamlit as st

_SHARED = Path(__file__).with_name("shared")


def component(module: str, html: str, *parts: str) -> Any:
    """The Streamlit component of a module's `__file__`: the `.js` and `.css` of the same name, after those of `shared`.

    Args:
        module: `__file__` of the module that draws the component; its name is the component's.
        html: what the script fills.
        parts: names of more scripts in the same folder, which come before the component's own.
    """
    own = Path(module).with_suffix("")
    scripts = [_SHARED, *(own.with_name(part) for part in parts), own]
    return st.components.v2.component(
        f"listing_vibes_{own.name}",
        html=html,
        css=_read("css", [_SHARED, own]),
        js=_read("js", scripts),
    )


def _read(kind: str, files: list[Path]) -> str:
    return "\n".join(file.with_suffix(f".{kind}").read_text(encoding="utf-8") for file in files)
