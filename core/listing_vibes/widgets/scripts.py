"""The scripts and styles of the map and the gallery, for the explorer and for notebooks."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

WEB = Path(__file__).with_name("web")
MAP = ("map_draw", "map_labels", "map_photos", "map_days", "map_unmet", "map_facets", "map_panel", "vibe_map")
GALLERY = ("lightbox", "cards", "gallery")
MAP_HTML = """
<section class="vibe-map">
  <div class="stage">
    <canvas tabindex="0" role="application"></canvas>
    <div class="tools" role="toolbar" aria-label="Map tools"></div>
    <ul class="legend"></ul>
    <div class="pointed" role="region" aria-label="The listing pointed at" hidden></div>
  </div>
  <div class="time" role="group" aria-label="Days" hidden></div>
  <div class="facets" role="group" aria-label="Attributes"></div>
  <div class="panel" role="region" aria-label="What is selected" tabindex="0"></div>
  <p class="status" role="status"></p>
</section>
"""
GALLERY_HTML = '<ul class="gallery"></ul>'


def read_files(kind: str, files: Sequence[Path]) -> str:
    """Return the concatenated text of files; those that do not exist are left out.

    Args:
        kind: "js" or "css".
        files: paths without their suffix.
    """
    results = [file.with_name(f"{file.name}.{kind}") for file in files]
    return "\n".join(file.read_text(encoding="utf-8") for file in results if file.is_file())


def drawing(files: Sequence[Path]) -> str:
    """Return the scripts of a component, with the default export as the constant `drawn`."""
    return read_files("js", files).replace("export default function", "const drawn = function")


@cache
def notebook_module(parts: tuple[str, ...], adapter: str, html: str) -> str:
    """Return the ES module of a widget for anywidget.

    It contains the styles, because a widget draws into a shadow root to keep its styles separate from the notebook's.

    Args:
        parts: names of the scripts and styles that the explorer also uses; the last has the drawing function.
        adapter: name of the script that calls the drawing function with the notebook's model; it exports `render`.
        html: the markup that the script fills.
    """
    files = [WEB / name for name in ("shared", *parts)]
    style = read_files("css", [WEB / "notebook", *files])
    return "\n".join(
        [
            drawing(files),
            f"const STYLE = {json.dumps(style)}",
            f"const HTML = {json.dumps(html)}",
            read_files("js", [WEB / "notebook", WEB / adapter]),
        ]
    )
