"""The scripts and styles of map and gallery: one text each, for the explorer as for a notebook."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

WEB = Path(__file__).with_name("web")
MAP = ("map_draw", "map_labels", "map_photos", "map_days", "map_unmet", "vibe_map")
GALLERY = ("lightbox", "cards", "gallery")
MAP_HTML = """
<section class="vibe-map">
  <div class="tools" role="toolbar" aria-label="Map tools"></div>
  <div class="stage"><canvas tabindex="0" role="application"></canvas></div>
  <div class="below">
    <div class="aside">
      <div class="beside" role="region" aria-label="The listing pointed at" tabindex="0"></div>
    </div>
    <div class="time" role="group" aria-label="Days" hidden></div>
    <ul class="legend"></ul>
  </div>
  <p class="told" role="status"></p>
</section>
"""
GALLERY_HTML = '<ul class="gallery"></ul>'


def read(kind: str, files: Sequence[Path]) -> str:
    """The text of files without their endings, one after the other; those that have none of this kind are left out.

    Args:
        kind: "js" or "css".
    """
    results = [file.with_name(f"{file.name}.{kind}") for file in files]
    return "\n".join(file.read_text(encoding="utf-8") for file in results if file.is_file())


def drawing(files: Sequence[Path]) -> str:
    """The scripts of a component, whose default export is the constant `drawn` here, for what is to call it."""
    return read("js", files).replace("export default function", "const drawn = function")


@cache
def notebook_module(parts: tuple[str, ...], adapter: str, html: str) -> str:
    """The ES module of a widget, as anywidget loads it: `parts` as the explorer has them, then what joins the last of them,
    the drawing function, to the model of a notebook (`adapter`, which exports `render`).

    Styles stand in the module: a widget draws into a shadow root, so that neither it nor the notebook changes the other.
    """
    files = [WEB / name for name in ("shared", *parts)]
    style = read("css", [WEB / "notebook", *files])
    return "\n".join(
        [
            drawing(files),
            f"const STYLE = {json.dumps(style)}",
            f"const HTML = {json.dumps(html)}",
            read("js", [WEB / "notebook", WEB / adapter]),
        ]
    )
