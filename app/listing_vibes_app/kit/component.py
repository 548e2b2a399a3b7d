"""The explorer's own components: script and style lie beside the module that draws them, or, where a notebook draws the same,
in `core/listing_vibes/widgets/web`, on a base that all share."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from listing_vibes.widgets.scripts import WEB, drawing, read

_TURNS = "component-turns"
#: A browser calls a component's script once it is loaded, and then with what came meanwhile in any order: older data than what is
#: shown is skipped. What the script returned, which undoes what it did outside of its element, is called before the next.
IN_ORDER = """
export default (given) => {
  const host = given.parentElement
  const { turn, ...data } = given.data
  if (turn >= (host.turn ?? 0)) {
    host.undo?.()
    host.turn = turn
    host.undo = drawn({ ...given, data })
  }
  return () => host.undo?.()
}
"""


def component(module: str, html: str, *parts: str) -> Callable[..., Any]:
    """Return the Streamlit component of a module: the `.js` and `.css` of the same name, after those of `shared`. It is
    called with its `key`, the `data` that its script draws (JSON), and whatever else Streamlit takes.

    Args:
        module: `__file__` of the module that draws the component; its name is the component's.
        html: what the script fills.
        parts: names of scripts and styles in `WEB` that come before the component's own.
    """
    own = Path(module).with_suffix("")
    folder = own.parent if own.with_suffix(".js").is_file() else WEB
    scripts = [*(WEB / part for part in ("shared", *parts)), folder / own.name]
    mount = st.components.v2.component(
        f"listing_vibes_{own.name}", html=html, css=read("css", scripts), js=drawing(scripts) + IN_ORDER
    )

    def show(*, key: str, data: Mapping[str, Any], **more: Any) -> Any:
        return mount(key=key, data={**data, "turn": _turn(key, data)}, **more)

    return show


def read_event(key: str, name: str) -> Any:
    """Return what the user has just done to the component of a key, such as the `outline` drawn; None for nothing."""
    value = st.session_state.get(key)
    return value.get(name) if value else None


def _turn(key: str, data: Mapping[str, Any]) -> int:
    """Return a number that grows whenever a component draws something else, also past a restart of the server: milliseconds."""
    turns, digest = st.session_state.setdefault(_TURNS, {}), hash(json.dumps(data))
    before, last = turns.get(key, (None, 0))
    if digest != before:
        turns[key] = digest, max(time.time_ns() // 1_000_000, last + 1)
    return int(turns[key][1])
