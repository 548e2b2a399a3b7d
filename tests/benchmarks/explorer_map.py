"""How fast the vibe map of a large market answers in the browser, as JSON.

    python -m tests.benchmarks.explorer_map RUN [--brushes 60] [--seconds 6]

RUN is a run over some 100,000 listings, as `tests.benchmarks.million` makes one with `--listings 100000`.

drawn     from the address to all points drawn, in a browser that stores nothing
brush     from a step of a histogram's handle to the map and the gallery that follow, and to the gallery's photos
frames    how often the map is painted while it is dragged about, with photos and with dots, and the longest gaps
memory    of the page's JavaScript and of the server
"""

from __future__ import annotations

import itertools
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright
from tests.benchmarks.arguments import parse_arguments

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.seeing import wait_until_quiet  # noqa: E402
from browser.served import served  # noqa: E402

PATIENCE = 180_000  # milliseconds
#: Moves the handles below the histograms; returns the milliseconds until the map is painted and the gallery has its listings, and
#: until all its photos are there. The browser's own painting of the page follows within a frame.
BRUSH = """async (count) => {
  const roots = [document, ...[...document.querySelectorAll("*")].map((node) => node.shadowRoot).filter(Boolean)]
  const all = (selector) => roots.flatMap((root) => [...root.querySelectorAll(selector)])
  const frame = () => new Promise((done) => requestAnimationFrame(done))
  const shown = () => all(".shots li")
  const facets = all(".facet:has(.brush)")
  const listed = [], loaded = []
  const move = (handle, share) => {
    handle.value = Math.round(share * handle.max)
    handle.dispatchEvent(new Event("input", { bubbles: true }))
  }
  for (let turn = 0; turn < count; turn++) {
    const [low, high] = facets[turn % facets.length].querySelectorAll("input")
    const from = 0.5 * Math.random()
    move(low, from)
    await frame()
    const [before, start] = [shown(), performance.now()]
    move(high, from + 0.1 + 0.3 * Math.random())
    await frame()
    await new Promise((done) => setTimeout(done))
    const after = shown()
    if (after.length !== before.length || after.some((item, at) => item !== before[at])) {
      listed.push(performance.now() - start)
      const late = (image) => !image.complete && image.getBoundingClientRect().top < innerHeight / 2 // others load lazily
      while (all(".shots img").some(late)) await frame()
      loaded.push(performance.now() - start)
    }
    move(low, 0)
    move(high, 1)
    await new Promise((done) => setTimeout(done, 600))
  }
  return [listed, loaded]
}"""
#: Notes when the map is painted, which puts its points as one image, on the page or beside it.
PAINTED = """() => {
  window.painted = []
  for (const context of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
    const put = context.prototype.putImageData
    context.prototype.putImageData = function (...given) {
      window.painted.push(performance.now())
      return put.apply(this, given)
    }
  }
}"""


def quantiles(milliseconds: list[float]) -> dict[str, float]:
    """Return count, median and 95th percentile."""
    p50, p95 = np.quantile(milliseconds, [0.5, 0.95]) if milliseconds else (math.nan, math.nan)
    return {"n": len(milliseconds), "p50 ms": round(float(p50), 1), "p95 ms": round(float(p95), 1)}


def open_map(page: Page, url: str) -> float:
    """Open the map; return the seconds until it is drawn."""
    start = time.monotonic()
    page.goto(f"{url}/map", wait_until="commit")
    page.wait_for_selector(".vibe-map[data-drawn]", timeout=PATIENCE)
    seconds = time.monotonic() - start
    page.wait_for_selector(".facet:has(.brush) .bar", timeout=PATIENCE)
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    return seconds


def drag(page: Page, seconds: float) -> dict[str, Any]:
    """Drag the map about; return the frames a second and the gaps between them."""
    box = page.locator(".vibe-map canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("window.painted.length = 0")
    start, step = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        step += 1
        page.mouse.move(x + 150 * math.sin(step / 12), y + 90 * math.sin(step / 19))
    page.mouse.up()
    painted = [float(moment) for moment in page.evaluate("window.painted")]
    gaps = [late - early for early, late in itertools.pairwise(painted)]
    rate = round(1000 * len(gaps) / max(painted[-1] - painted[0], 1), 1) if gaps else 0.0
    return {"frames a second": rate, **quantiles(gaps)}


def measure(run: Path, brushes: int, seconds: float) -> dict[str, Any]:
    """Return the measures of a run's map."""
    found: dict[str, Any] = {"load": [os.getloadavg()[0]]}
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        served([run], Path(folder) / "server.log") as server,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        found["drawn s, first"] = round(open_map(page, server.url), 1)
        found["drawn s, again"] = round(open_map(page, server.url), 1)
        found["listings"] = int(page.locator(".vibe-map").get_attribute("data-drawn") or 0)
        listed, loaded = page.evaluate(BRUSH, brushes)
        found["brush to gallery"], found["brush to photos"] = quantiles(listed), quantiles(loaded)
        open_map(page, server.url)
        page.evaluate(PAINTED)
        photos = page.get_by_role("button", name="Photos", exact=True)
        if photos.is_visible():
            found["frames with photos"] = drag(page, seconds)
            photos.click()
        found["frames with dots"] = drag(page, seconds)
        found["page MB"] = round(page.evaluate("performance.memory.usedJSHeapSize / 1e6"), 1)
        process = psutil.Process(server.process.pid)
        memory = sum(part.memory_info().rss for part in [process, *process.children(recursive=True)])
        found["server GiB"] = round(memory / 2**30, 2)
        browser.close()
    found["load"].append(os.getloadavg()[0])
    return found


def main() -> None:
    given = parse_arguments(__doc__, run=Path, brushes=60, seconds=6.0)
    print(json.dumps(measure(given.run.resolve(), given.brushes, given.seconds), indent=1))


if __name__ == "__main__":
    main()
