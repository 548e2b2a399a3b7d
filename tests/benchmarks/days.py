"""How long a step of a slider takes on the demo, measured in the browser: a day of the time machine, a value of a draft.

    python tests/benchmarks/days.py [--json] [--repeat N] [--only map users draft] [--width 390]

**Map**: from moving the slider by a day to the map drawn as of that day. **Users**: from the key that moves the slider by a day to
the list as of that morning, every photo there; for the user of the demo with the most events. **Draft**: from the key that drags
the price of a new listing to its new audience (`draft`), and to the end of the page, advice and all photos (`draft, whole`). Server
and browser run on this machine's first two cores; each day and each price is new to both.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.reaction import WATCH, spent, summary, timed  # noqa: E402
from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.seeing import wait_until_quiet  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes.demo.shipped import bundled_run  # noqa: E402
from listing_vibes.insight.days import MarketDays  # noqa: E402
from listing_vibes.run.run import Run  # noqa: E402

LIMITS = {"map": 0.8, "users": 0.8, "draft": 1.0}
#: Presses the arrow at the first slider and tells when the audience is that of the new value: it is in the address, and the figure
#: is none of the run of the page before.
PRESSED = """() => { window.pressed = undefined; window.before = location.search
  addEventListener("keydown", () => { window.pressed = performance.now() }, { capture: true, once: true }) }"""
AUDIENCE = """() => new Promise((tell) => {
  const look = () => {
    const shown = document.querySelector('[data-testid="stMetric"]')
    if (location.search !== window.before && shown && !shown.closest("[data-stale=true]"))
      tell((performance.now() - window.pressed) / 1000)
    else requestAnimationFrame(look)
  }
  look()
})"""


def on_map(page: Page, url: str, days: MarketDays, repeat: int, begun: Callable[[], None]) -> list[float]:
    """Seconds of each step on the map."""
    first = len(days) // 3
    page.goto(f"{url}/map?day={days.date(first)}")
    wait_until_quiet(page)
    page.wait_for_selector(f'.vibe-map[data-day="{first}"]')
    begun()
    seconds = []
    for day in range(first + 1, first + 1 + repeat):
        act = f"""const slider = all(".vibe-map .slider")[0]
          slider.value = "{day}"
          slider.dispatchEvent(new Event("input"))"""
        done = f"""all(".vibe-map")[0].dataset.day === "{day}\""""
        seconds.append(timed(page, act, done))
        wait_until_quiet(page)
    return seconds


def of_user(
    page: Page, url: str, days: MarketDays, user: str, begin: int, repeat: int, begun: Callable[[], None]
) -> list[float]:
    """Seconds of each step of a user's list."""
    page.goto(f"{url}/users?user={user}&day={days.date(begin)}")
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    page.get_by_role("slider").focus()
    begun()
    seconds = []
    for day in range(begin + 1, begin + 1 + repeat):
        page.evaluate(
            """() => { window.pressed = undefined
              addEventListener("keydown", () => { window.pressed = performance.now() }, { capture: true, once: true }) }"""
        )
        page.keyboard.press("ArrowRight")
        done = f"location.search.includes('day={days.date(day)}') && all('.gallery').length >= 2"
        seconds.append(float(page.evaluate(f"() => ({WATCH})({json.dumps(done)}, window.pressed)")))
    return seconds


def of_draft(page: Page, url: str, repeat: int, begun: Callable[[], None]) -> dict[str, list[float]]:
    """Seconds from a dragged value to its audience, and to the whole page, of a draft that begins as a listing of the demo."""
    page.goto(f"{url}/cold?view=new&like=home-0004")
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    found: dict[str, list[float]] = {"draft": [], "draft, whole": []}
    for turn in range(repeat + 1):
        if turn == 1:
            begun()
        page.get_by_role("slider").first.focus()
        page.evaluate(PRESSED)
        page.keyboard.press("ArrowRight")
        audience = float(page.evaluate(AUDIENCE))
        whole = float(page.evaluate(f"() => ({WATCH})('true', window.pressed)"))
        if turn:  # the first one loads what all others need
            found["draft"].append(audience)
            found["draft, whole"].append(whole)
    return found


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--repeat", type=int, default=20)
    options.add_argument("--only", nargs="*", default=list(LIMITS), choices=list(LIMITS))
    options.add_argument("--width", type=int, default=1440)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    run = Run.open(bundled_run())
    days = MarketDays.of(run.log, run.catalogue)
    assert days is not None
    user = int(np.diff(run.log.start).argmax())
    began = int((run.log.time[run.log.start[user]] - days.begin(0)) // (days.begin(1) - days.begin(0)))
    begin = min(began + 2, len(days) - 2 - given.repeat)
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        served([bundled_run()], Path(folder) / "server.log") as server,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": given.width, "height": 900})
        page.set_default_timeout(180_000)
        before = (0.0, 0.0)

        def begun() -> None:
            nonlocal before
            before = spent(server.process.pid)

        ways: dict[str, Callable[[], dict[str, list[float]]]] = {
            "map": lambda: {"map": on_map(page, server.url, days, given.repeat, begun)},
            "users": lambda: {
                "users": of_user(page, server.url, days, run.log.users[user], begin, given.repeat, begun)
            },
            "draft": lambda: of_draft(page, server.url, given.repeat, begun),
        }
        found: dict[str, Any] = {}
        cpu: dict[str, list[float]] = {}
        for name in given.only:
            found |= {one: summary(seconds) for one, seconds in ways[name]().items()}
            after = spent(server.process.pid)
            # Of a step; they tell more than the clock where others use the cores, too.
            cpu[name] = [(late - early) / given.repeat for early, late in zip(before, after, strict=True)]
        browser.close()
    table = {"seconds": found, "cpu seconds of server and browser": cpu, "load": [load, os.getloadavg()[0]]}
    if given.json:
        print(json.dumps(table, indent=1))
        return
    print(f"load {table['load'][0]:.1f} before, {table['load'][1]:.1f} after")
    for name, (server_s, browser_s) in cpu.items():
        print(f"CPU of a step of {name}: server {server_s:.2f} s, browser {browser_s:.2f} s")
    for name, one in found.items():
        line = f"{name:12} p50 {one['p50']:.2f} s, p95 {one['p95']:.2f} s of {one['n']}"
        if name in LIMITS:
            line += f" (p50 at most {LIMITS[name]:g}) {'held' if one['p50'] <= LIMITS[name] else 'MISSED'}"
        print(line)


if __name__ == "__main__":
    main()
