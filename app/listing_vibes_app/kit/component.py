"""The explorer's Streamlit components.

The script and style of a component are in the folder of its module, or in `core/listing_vibes/widgets/web` if a notebook
widget uses them, too.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from listing_vibes.widgets.scripts import WEB, drawing, read_files

_TURNS = "component-turns"
#: A browser may call a component's script with updates in any order, so data older than what is shown is skipped. The script may
#: return a function that undoes it before the next update. Streamlit also calls that of an outdated update after the next one, so
#: only a component that was removed is undone then.
IN_ORDER = """
export default (given) => {
  const host = given.parentElement
  const { turn, ...data } = given.data
  if (turn >= (host.turn ?? 0)) {
    host.undo?.()
    host.turn = turn
    host.undo = drawn({ ...given, data })
  }
  return () => host.isConnected || host.undo?.()
}
"""


def component(module: str, html: str, *parts: str) -> Callable[..., Any]:
    """Return the Streamlit component of a module, made of the `.js` and `.css` files of the same name and those of `shared`.

    Call it with its `key`, the `data` for its script (JSON), and other arguments of Streamlit's components.

    Args:
        module: `__file__` of the module that draws the component, which has the module's name.
        html: the markup that the script fills.
        parts: names of scripts and styles in `WEB` to include before those of the component.
    """
    stem = Path(module).with_suffix("")
    folder = stem.parent if stem.with_suffix(".js").is_file() else WEB
    scripts = [*(WEB / part for part in ("shared", *parts)), folder / stem.name]
    mount = st.components.v2.component(
        f"listing_vibes_{stem.name}",
        html=html,
        css=read_files("css", scripts),
        js=drawing(scripts) + IN_ORDER,
    )

    def show(*, key: str, data: Mapping[str, Any], **more: Any) -> Any:
        return mount(key=key, data={**data, "turn": _turn(key, data)}, **more)

    return show


def _turn(key: str, data: Mapping[str, Any]) -> int:
    """Return a number that increases with each change of a component's data, also after a restart of the server (milliseconds)."""
    turns, digest = st.session_state.setdefault(_TURNS, {}), hash(json.dumps(data))
    before, last = turns.get(key, (None, 0))
    if digest != before:
        turns[key] = digest, max(time.time_ns() // 1_000_000, last + 1)
    return int(turns[key][1])
