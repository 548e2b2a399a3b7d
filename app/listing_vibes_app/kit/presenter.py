"""Presenting: pinned views with notes, one at a time on the full screen.

Pins are stored in the user's browser, not on the server.
"""

from urllib.parse import quote

from listing_vibes_app.kit.component import component
from listing_vibes_app.server.params import read_choice
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import run_paths

_component = component(__file__, '<div class="presenter"></div>')


def presenter(title: str) -> None:
    """Draw "Pin this view" and "Pinned views" at the foot of a page, and the bar while presenting."""
    report, runs = None, list(run_paths())
    if runs:
        name = read_choice("run", runs, runs[0])
        report = {"address": f"{base_path()}/report/{quote(name, safe='')}", "file": f"{name}-report.html"}
    _component(key="presenter-line", data={"title": title, "report": report})
