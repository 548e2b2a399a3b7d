"""How long the explorer takes to react on a market of 100,000 listings, measured in the browser.

    python tests/benchmarks/reaction.py [--json] [--listings N] [--repeat N] [--folder FOLDER] [--only frames]

Server and browser run on this machine's first two cores. Times are from the click (or the address, or the end of the
drawn line) to the moment when the script is through and every photo in the page that the browser asked for is there;
the clock is the page's own. **Frames**: a map with photos as points is dragged to and fro; counted is how often the browser
painted it anew (`requestAnimationFrame`). `--folder` keeps the market and the run for the next time.
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.large_market import make_large_run  # noqa: E402
from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.seeing import QUIET, wait_until_quiet  # noqa: E402
from browser.served import served  # noqa: E402

SESSIONS = 10
PANNED = 6.0  # seconds that a map is dragged
STEPS = ("similar", "adding", "map", "lasso", "frames", "memory")
LIMITS = {
    "similar listings p50": 0.6,
    "similar listings p95": 1.2,
    "adding to a history p50": 0.8,
    "map first drawn": 4.0,
    "lasso to grid p50": 1.5,
    "server memory": 2.0,
}
SMOOTH = 30  # frames a second, at least
#: Seconds from now until `done` holds and nothing is at work: the script, elements to be drawn anew, photos.
WATCH = """
(done, start) => new Promise((tell, fail) => {
  const holds = new Function("all", `return ${done}`)
  const roots = () => [document, ...[...document.querySelectorAll("*")].map((one) => one.shadowRoot).filter(Boolean)]
  const look = () => {
    const shown = roots()
    const all = (selector) => shown.flatMap((root) => [...root.querySelectorAll(selector)])
    const quiet = document.querySelector('[data-test-script-state="notRunning"]') && !document.querySelector("[data-stale=true]")
    const loaded = all("img").every((image) => image.complete && image.naturalWidth > 0 || below(image))
    if (quiet && holds(all) && loaded) tell((performance.now() - start) / 1000)
    else if (performance.now() - start > 120_000) {
      const waiting = all("img").filter((one) => !(one.complete && one.naturalWidth || below(one))).map((one) => one.src)
      fail(new Error(`${location.href}: quiet ${!!quiet}, done ${holds(all)}, photos missing: ${waiting}; ${done}`))
    }
    else requestAnimationFrame(look)
  }
  // A photo that is hidden, or so far below or aside that the browser has not asked for it yet.
  const below = (image) => {
    const { width, top, left, right } = image.getBoundingClientRect()
    return image.loading === "lazy" && (width === 0 || top > innerHeight * 2 || left > innerWidth || right < 0)
  }
  look()
})
"""


def timed(page: Page, act: str, done: str) -> float:
    """Seconds from the script `act` until `done` holds; both know `all(selector)`, which sees into components."""
    script = f"""async () => {{
      const watch = {WATCH}
      const roots = [document, ...[...document.querySelectorAll("*")].map((one) => one.shadowRoot).filter(Boolean)]
      const all = (selector) => roots.flatMap((root) => [...root.querySelectorAll(selector)])
      const start = performance.now()
      {act}
      return await watch({json.dumps(done)}, start)
    }}"""
    return float(page.evaluate(script))


def similar(page: Page, url: str, repeat: int) -> list[float]:
    """From a click on a neighbour to its page, walking on from neighbour to neighbour."""
    page.goto(f"{url}/similar?listing=home-000100")
    wait_until_quiet(page)
    page.wait_for_selector("a.body[href*=listing]")
    page.wait_for_load_state("networkidle")
    seconds = []
    for turn in range(repeat + 1):
        act = f"""const link = all("a.body[href*=listing]")[{1 + turn % 11}]
          window.wanted = link.querySelector(".title").textContent
          window.before = all("a.body").map((one) => one.href).join()
          link.click()"""
        # The new listing's name is there, and twelve neighbours that are not those of the listing before.
        done = """all("h1").some((one) => one.textContent === window.wanted)
          && all("a.body").length >= 12 && all("a.body").map((one) => one.href).join() !== window.before"""
        seconds.append(timed(page, act, f"({done})"))
    return seconds[1:]  # the first one loads what all others need


def adding(page: Page, url: str, repeat: int) -> list[float]:
    """From "+ Add" on a recommended listing to the recommendations of the longer history."""
    page.goto(f"{url}/simulate?h=home-000100,home-000200,home-000300")
    wait_until_quiet(page)
    page.wait_for_selector(".cards.grid button.pick")
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    seconds = []
    for turn in range(repeat + 1):
        done = f"all('.cards.strip li .controls').length === {4 + turn}"
        seconds.append(timed(page, 'all(".cards.grid button.pick")[1].click()', done))
    return seconds[1:]


def drawn(browser: Browser, url: str, listings: int, repeat: int) -> list[float]:
    """From the address of the map to all points drawn, in a browser that has nothing kept."""
    seconds = []
    for _ in range(repeat):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        started = time.monotonic()
        page.goto(f"{url}/map", wait_until="commit")
        page.wait_for_selector(f'.vibe-map[data-drawn="{listings}"]', timeout=120_000)
        seconds.append(time.monotonic() - started)
        context.close()
    return seconds


def lasso(page: Page, url: str, listings: int, repeat: int) -> list[float]:
    """From the end of a drawn line to the photos of the listings within."""
    page.set_viewport_size({"width": 1440, "height": 1000})
    seconds = []
    for turn in range(repeat):
        page.goto(f"{url}/map")
        page.wait_for_selector(f'.vibe-map[data-drawn="{listings}"]', timeout=120_000)
        wait_until_quiet(page)
        page.get_by_role("button", name="Draw around").click()
        box = page.locator(".vibe-map canvas").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] * (0.35 + 0.02 * turn), box["y"] + box["height"] * 0.35
        page.mouse.move(x, y)
        page.mouse.down()
        for right, down in ((160, 0), (160, 160), (0, 160), (0, 5)):
            page.mouse.move(x + right, y + down, steps=6)
        done = "all('ul.gallery').some((one) => one.getAttribute('aria-label') === 'Listings of the region')"
        page.evaluate(
            """() => { window.released = undefined
              addEventListener("pointerup", () => { window.released = performance.now() }, { capture: true, once: true }) }"""
        )
        page.mouse.up()
        page.wait_for_function("window.released")
        seconds.append(float(page.evaluate(f"() => ({WATCH})({json.dumps(done)}, window.released)")))
    return seconds


#: Counts the paintings of the map, and the time between the frames in which it was painted anew.
FRAMES = """() => {
  window.painted = []
  const put = CanvasRenderingContext2D.prototype.putImageData
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    window.painted.push(performance.now())
    return put.apply(this, given)
  }
}"""


def frames(page: Page, url: str, server: int, listings: int, zoom: int, photos: bool) -> dict[str, Any]:
    """How many times a second the map is painted while it is dragged about, `zoom` steps zoomed in."""
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.goto(f"{url}/map")
    page.wait_for_selector(f'.vibe-map[data-drawn="{listings}"]', timeout=120_000)
    wait_until_quiet(page)
    if not photos:
        page.get_by_role("button", name="Photos", exact=True).click()
    for _ in range(zoom):
        page.get_by_role("button", name="Zoom in").click()
    shown, count = -1, page.locator(".vibe-map").get_attribute
    while photos and zoom >= 3 and shown != int(count("data-photos") or 0):  # all that are in sight have come
        shown = int(count("data-photos") or 0)
        page.wait_for_timeout(1500)
    box = page.locator(".vibe-map canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(FRAMES)
    page.mouse.move(x, y)
    page.mouse.down()
    started = time.monotonic()
    step, used = 0, spent(server)[1]
    while time.monotonic() - started < PANNED:
        step += 1
        page.mouse.move(x + 150 * math.sin(step / 12), y + 90 * math.sin(step / 19))
    page.mouse.up()
    used = spent(server)[1] - used
    painted = [float(one) for one in page.evaluate("window.painted")]
    apart = sorted(late - early for early, late in itertools.pairwise(painted))
    return {
        "a second": 1000 * (len(painted) - 1) / (painted[-1] - painted[0]),
        "p95 ms": apart[round(0.95 * (len(apart) - 1))],
        "n": len(painted),
        "cpu ms a frame": 1000 * used / len(painted),  # of all that the browser does
        "photos": int(count("data-photos") or 0),
        "moved": step,
    }


def memory(browser: Browser, url: str, server: int) -> float:
    """GiB of the server's resident memory while `SESSIONS` sessions are open, each having used three pages."""
    contexts = [browser.new_context() for _ in range(SESSIONS)]
    for number, context in enumerate(contexts):
        page = context.new_page()
        listing = f"home-{number * 97:06d}"
        for path in ("/map", f"/similar?listing={listing}&space=photos", f"/simulate?h={listing}"):
            page.goto(url + path)
            wait_until_quiet(page)
    process = psutil.Process(server)
    resident = sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
    for context in contexts:
        context.close()
    return resident / 2**30


def spent(server: int) -> tuple[float, float]:
    """CPU seconds that the server and the browser have used so far."""
    family = [psutil.Process(server), *psutil.Process(server).children(recursive=True)]
    browser = [one for one in psutil.Process().children(recursive=True) if one not in family]

    def used(processes: list[psutil.Process]) -> float:
        total = 0.0
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += sum(one.cpu_times()[:2])
        return total

    return used(family), used(browser)


def measure(
    run: Path, listings: int, repeat: int, only: Sequence[str], told: Callable[[str], None]
) -> dict[str, Any]:
    """The figures of one server over `run`, of those of `STEPS` that are asked for."""
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        served([run], Path(folder) / "server.log") as server,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        started = time.monotonic()
        page.goto(server.url)
        page.wait_for_selector(QUIET, timeout=1_800_000)  # on a busy machine, too
        figures: dict[str, Any] = {"opening the run": [time.monotonic() - started]}
        cpu: dict[str, list[float]] = {}  # of server and browser, for each reaction
        for step, name, series in (
            ("similar", "similar listings", similar),
            ("adding", "adding to a history", adding),
        ):
            if step not in only:
                continue
            told(name)
            before = spent(server.process.pid)
            figures[name] = series(page, server.url, repeat)
            after = spent(server.process.pid)
            cpu[name] = [(late - early) / (repeat + 1) for early, late in zip(before, after, strict=True)]
        if "map" in only:
            told("the map")
            figures["map first drawn"] = drawn(browser, server.url, listings, 1 + repeat // 4)
        if "lasso" in only:
            told("lasso to grid")
            figures["lasso to grid"] = lasso(page, server.url, listings, 1 + repeat // 4)
        smooth: dict[str, Any] = {}
        for name, zoom, photos in (("photos", 4, True), ("dots", 4, False), ("whole map", 0, True)):
            if "frames" in only:
                told(f"frames, {name}")
                smooth[name] = frames(page, server.url, server.process.pid, listings, zoom, photos)
        resident = None
        if "memory" in only:
            told(f"{SESSIONS} sessions")
            resident = memory(browser, server.url, server.process.pid)
        browser.close()
    return {
        "machine": f"{platform.processor() or platform.machine()}, cores used: 2 of {os.cpu_count()}",
        "load": [load, os.getloadavg()[0]],  # of the machine, before and after; 2 is all two cores
        "listings": listings,
        "seconds": {name: summary(values) for name, values in figures.items()},
        "cpu seconds of server and browser": cpu,  # they tell more than the clock where others use the cores, too
        "frames": smooth,
        "server memory GiB": resident,
    }


def summary(values: list[float]) -> dict[str, Any]:
    """Count, first, median, 95th percentile and the values themselves."""
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {
        "n": len(values),
        "first": values[0],
        "p50": statistics.median(values),
        "p95": high,
        "all": values,
    }


def verdicts(found: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Measured and asked for, by what; of what was measured."""
    named = {
        "similar listings p50": ("similar listings", "p50"),
        "similar listings p95": ("similar listings", "p95"),
        "adding to a history p50": ("adding to a history", "p50"),
        "map first drawn": ("map first drawn", "first"),  # with the server's own work for it
        "lasso to grid p50": ("lasso to grid", "p50"),
    }
    seconds = found["seconds"]
    measured = {name: seconds[of][what] for name, (of, what) in named.items() if of in seconds}
    if found["server memory GiB"] is not None:
        measured["server memory"] = found["server memory GiB"]
    return {name: (value, LIMITS[name]) for name, value in measured.items()}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--listings", type=int, default=100_000)
    options.add_argument("--repeat", type=int, default=20)
    options.add_argument("--folder", type=Path)
    options.add_argument("--only", nargs="*", default=list(STEPS), choices=STEPS)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # what is started from here keeps to it
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        if not (folder / "run" / "map.parquet").is_file():
            print(f"making a market of {given.listings:,} listings …", file=sys.stderr)
            make_large_run(folder, given.listings)
        found = measure(
            folder / "run",
            given.listings,
            given.repeat,
            given.only,
            lambda step: print(step, "…", file=sys.stderr),
        )
    if given.json:
        print(json.dumps(found | {"asked for": LIMITS}, indent=1))
        return
    print(f"{found['machine']}; load {found['load'][0]:.1f} before, {found['load'][1]:.1f} after")
    for name, (value, limit) in verdicts(found).items():
        unit = "GiB" if "memory" in name else "s"
        print(f"{name:26} {value:6.2f} {unit:3} (at most {limit:g}) {'held' if value <= limit else 'MISSED'}")
    for name, (server, browser) in found["cpu seconds of server and browser"].items():
        print(f"CPU for {name}: server {server:.2f} s, browser {browser:.2f} s")
    for name, one in found["frames"].items():
        held = "held" if one["a second"] >= SMOOTH else "MISSED"
        print(
            f"frames, {name:18} {one['a second']:6.1f} a second (at least {SMOOTH}) {held}; p95 {one['p95 ms']:.0f} ms apart, "
            f"{one['cpu ms a frame']:.0f} ms of the browser's processor time a frame, "
            f"{one['photos']} photos in sight"
        )
    opening = found["seconds"]["opening the run"]["p50"]
    print(f"{'opening the run, once':26} {opening:6.2f} s")


if __name__ == "__main__":
    main()
