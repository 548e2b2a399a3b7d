"""The scripts and styles of the map and the gallery, for the explorer and for notebooks."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

WEB = Path(__file__).with_name("web")
MAP = ("map_draw", "map_photos", "map_layers", "map_facets", "map_panel", "vibe_map")
GALLERY = ("cards", "gallery")
MAP_HTML = """
<section class="vibe-map">
  <div class="stage">
    <div class="tools" role="toolbar" aria-label="Map tools">
      <button type="button" class="tool" data-tool="lasso" title="A drag draws a line around listings instead of moving the map">Draw a region</button>
      <button type="button" class="tool" data-tool="in" title="Zoom in" aria-label="Zoom in">+</button>
      <button type="button" class="tool" data-tool="out" title="Zoom out" aria-label="Zoom out">−</button>
      <button type="button" class="tool" data-tool="whole" title="Show all listings">Whole map</button>
      <button type="button" class="tool" data-tool="sight" title="Select all listings that the frame shows">Select what is in view</button>
      <button type="button" class="tool" data-tool="photos" title="Photos instead of dots">Photos</button>
      <button type="button" class="tool" data-tool="unmet" title="Where users want more than is active">Unmet demand</button>
    </div>
    <canvas tabindex="0" role="application"></canvas>
    <ul class="legend"></ul>
    <div class="pointed" role="region" aria-label="The listing pointed at" aria-live="polite" hidden></div>
  </div>
  <div class="time" role="group" aria-label="Days" hidden>
    <button type="button" class="tool play"></button>
    <input type="range" class="slider" min="0" aria-label="Day">
    <output class="date"></output>
  </div>
  <div class="facets" role="group" aria-label="Attributes"></div>
  <div class="panel" role="region" aria-label="What is selected" tabindex="0">
    <div class="head"></div>
    <ul class="shots" aria-label="Listings selected"></ul>
    <div class="about"></div>
    <div class="list"></div>
  </div>
  <p class="status" role="status"></p>
</section>
"""
#: Keyboard help of the map for screen readers.
MAP_KEYS = (
    "Arrows move the map and pick the listing in its middle, + and − zoom, Enter opens similar listings."
)
GALLERY_HTML = '<p class="spoken" aria-live="polite"></p><ul class="gallery"></ul>'


def read_files(kind: str, files: Sequence[Path]) -> str:
    """Return the concatenated text of files of the `kind` "js" or "css", given without suffix; those that do not exist are left out."""
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
