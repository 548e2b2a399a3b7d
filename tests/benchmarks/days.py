"""How long a day's step of the time machine takes on the demo, measured in the browser.

    python tests/benchmarks/days.py [--json] [--repeat N]

**Map**: from moving the slider by a day to the map drawn as of that day. **Users**: from the key that moves the slider by a day to
the list as of that morning, every photo there; for the user of the demo with the most events. Server and browser run on this
machine's first two cores; each day is new to both.
"""

import argparse
import json
import os
import sys
import tempfile
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

from core.demo.shipped import bundled_run  # noqa: E402
from core.insight.days import MarketDays  # noqa: E402
from core.run.run import Run  # noqa: E402

LIMIT = 0.8


def on_map(page: Page, url: str, days: MarketDays, repeat: int) -> list[float]:
    """Seconds of each step on the map."""
    first = len(days) // 3
    page.goto(f"{url}/map?day={days.date(first)}")
    wait_until_quiet(page)
    page.wait_for_selector(f'.vibe-map[data-day="{first}"]')
    seconds = []
    for day in range(first + 1, first + 1 + repeat):
        act = f"""const slider = all(".vibe-map .slider")[0]
          slider.value = "{day}"
          slider.dispatchEvent(new Event("input"))"""
        done = f"""all(".vibe-map")[0].dataset.day === "{day}\""""
        seconds.append(timed(page, act, done))
        wait_until_quiet(page)
    return seconds


def of_user(page: Page, url: str, days: MarketDays, user: str, begin: int, repeat: int) -> list[float]:
    """Seconds of each step of a user's list."""
    page.goto(f"{url}/users?user={user}&day={days.date(begin)}")
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    page.get_by_role("slider").focus()
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


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--repeat", type=int, default=20)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    run = Run.open(bundled_run())
    days = MarketDays.of(run.log, run.catalogue)
    assert days is not None
    user = int(np.diff(run.log.start).argmax())
    began = int((run.log.time[run.log.start[user]] - days.begin(0)) // (days.begin(1) - days.begin(0)))
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        served([bundled_run()], Path(folder) / "server.log") as server,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(180_000)
        begin = min(began + 2, len(days) - 2 - given.repeat)
        found: dict[str, Any] = {
            "map": summary(on_map(page, server.url, days, given.repeat)),
        }
        before = spent(server.process.pid)
        found["users"] = summary(of_user(page, server.url, days, run.log.users[user], begin, given.repeat))
        after = spent(server.process.pid)
        # Of server and browser, a step; they tell more than the clock where others use the cores, too.
        found["cpu seconds of users"] = [
            (late - early) / (given.repeat + 1) for early, late in zip(before, after, strict=True)
        ]
        found["load"] = [load, os.getloadavg()[0]]
        browser.close()
    if given.json:
        print(json.dumps(found, indent=1))
        return
    print(f"load {found['load'][0]:.1f} before, {found['load'][1]:.1f} after")
    server_s, browser_s = found["cpu seconds of users"]
    print(f"CPU of a step on users: server {server_s:.2f} s, browser {browser_s:.2f} s")
    for name in ("map", "users"):
        one = found[name]
        held = "held" if one["p50"] <= LIMIT else "MISSED"
        print(
            f"{name:6} p50 {one['p50']:.2f} s, p95 {one['p95']:.2f} s of {one['n']} (p50 at most {LIMIT:g}) {held}"
        )


if __name__ == "__main__":
    main()
