"""Whether the explorer stays well under many viewers for long: browsers walk the four tasks, the server's memory is watched.

    python tests/benchmarks/explorer_soak.py [RUN] [--sessions 20] [--minutes 10] [--json]

RUN is the demo's unless another is given. Each session is a browser of its own (cookies, storage, connection) that goes
through the tasks in an order drawn for it: what is like a listing, a user followed and played, a cold listing and a new
one, the figures and the map. Memory is that of the server's processes (resident), looked at every two seconds; its slope
is a line fitted to the second half, when caches are filled. Exit code 1 where a page failed.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import psutil
from playwright.async_api import Browser, Page, async_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.seeing import QUIET  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes import Run  # noqa: E402

EVERY = 2.0  # seconds between two looks at the memory
PATIENCE = 120_000  # milliseconds for one step of a walk on a busy machine
BOXES = '[data-testid="stException"], [data-testid="stAlertContentError"]'


@dataclass
class Found:
    """What the walks met."""

    seconds: dict[str, list[float]] = field(default_factory=dict)  # of each step, by its task
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)  # seconds since the start, bytes


class Walker:
    """One session."""

    def __init__(self, page: Page, url: str, listings: list[str], users: list[str], seed: int) -> None:
        self.page, self.url, self.listings, self.users = page, url, listings, users
        self.rng = random.Random(seed)

    async def go(self, path: str, **params: str) -> None:
        await self.page.goto(f"{self.url}/{path}?{urlencode(params)}")
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until the script is through and nothing is to be drawn anew; a box that tells of an error is one."""
        await self.page.wait_for_selector(QUIET, timeout=PATIENCE)
        await self.page.wait_for_function("!document.querySelector('[data-stale=true]')", timeout=PATIENCE)
        box = self.page.locator(BOXES)
        if await box.count():
            raise AssertionError(f"a box on the page: {(await box.first.inner_text())[:200]}")

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name).first.click()
        await self.page.wait_for_timeout(100)
        await self.quiet()

    async def similar(self) -> None:
        """A listing, its neighbours lined up, another one."""
        listing = self.rng.choice(self.listings)
        await self.go("similar", listing=listing, view=self.rng.choice(("cards", "lineup", "spaces")))
        await self.press("Any listing")

    async def user(self) -> None:
        """A user at some moment, then one played by hand."""
        await self.go("users", user=self.rng.choice(self.users), k="6")
        history = ",".join(quote(one, safe="") for one in self.rng.sample(self.listings, 3))
        await self.go("simulate", h=history, k="6")
        await self.press("Start empty")
        await self.press("Undo")

    async def cold(self) -> None:
        """Where a listing lands, and where a new one would."""
        await self.go("cold", listing=self.rng.choice(self.listings))
        await self.go("cold", view="new")
        await self.press("Fill in a listing")

    async def measured(self) -> None:
        """The figures, the parts, the lost queries, the map."""
        await self.go("")
        await self.go("compare", part=self.rng.choice(("ablation", "queries")))
        await self.go("map")

    async def walk(self, end: float, found: Found) -> None:
        tasks: dict[str, Callable[[], Awaitable[None]]] = {
            "similar": self.similar, "user": self.user, "cold": self.cold, "measured": self.measured,
        }  # fmt: skip
        while time.monotonic() < end:
            for name in self.rng.sample(sorted(tasks), len(tasks)):
                if time.monotonic() >= end:
                    return
                start = time.monotonic()
                try:
                    await tasks[name]()
                    found.seconds.setdefault(name, []).append(time.monotonic() - start)
                except Exception as error:  # whatever ends a step is counted, and the walk goes on
                    found.errors[f"{name}: {type(error).__name__}: {str(error).splitlines()[0][:200]}"] += 1


async def session(
    browser: Browser, url: str, listings: list[str], users: list[str], seed: int, end: float, found: Found
) -> None:
    """One browser's walk until `end`."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: found.errors.update([f"script: {str(error)[:200]}"]))
    page.on(
        "response",
        lambda answer: (
            found.errors.update([f"{answer.status} {answer.url.partition('?')[0]}"])
            if answer.status >= 400
            else None
        ),
    )
    await Walker(page, url, listings, users, seed).walk(end, found)
    await context.close()


async def watch(process: psutil.Process, start: float, end: float, found: Found) -> None:
    """Look at the memory of the server and of what it started until `end`."""
    while time.monotonic() < end:
        size = 0
        for one in (process, *process.children(recursive=True)):
            try:
                size += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        found.memory.append((time.monotonic() - start, size))
        await asyncio.sleep(EVERY)


async def soak(run: Path, url: str, pid: int, sessions: int, minutes: float) -> Found:
    """Let the sessions walk; each begins a little after the one before."""
    opened, found = Run.open(run), Found()
    listings = [name for name in opened.listing_ids if name in opened.market.listing_row]
    users = list(opened.log.users[:2000])
    start = time.monotonic()
    end = start + 60 * minutes
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        walks = [session(browser, url, listings, users, seed, end, found) for seed in range(sessions)]
        await asyncio.gather(watch(psutil.Process(pid), start, end, found), *walks)
        await browser.close()
    return found


def slope(memory: list[tuple[float, int]]) -> tuple[float, float]:
    """MiB a minute of the second half, by least squares, and half of its 95 % interval (residuals taken as independent)."""
    half = [one for one in memory if one[0] >= memory[-1][0] / 2]
    if len(half) < 4:
        return float("nan"), float("nan")
    minutes, size = np.array(half, float).T / np.array([[60.0], [2.0**20]])
    (rise, _), cov = np.polyfit(minutes, size, 1, cov=True)
    return float(rise), 1.96 * float(np.sqrt(cov[0, 0]))


def summary(found: Found, sessions: int, minutes: float) -> dict[str, Any]:
    """The figures as a document."""
    sizes = [size / 2**20 for _, size in found.memory]
    rise, error = slope(found.memory)
    return {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "sessions": sessions,
        "minutes": minutes,
        "tasks": {
            name: {"walked": len(times), "p50 s": statistics.median(times), "most s": max(times)}
            for name, times in sorted(found.seconds.items())
        },
        "errors": dict(found.errors.most_common(20)),
        "memory MiB": {
            "first": sizes[0],
            "middle": sizes[len(sizes) // 2],
            "most": max(sizes),
            "last": sizes[-1],
        },
        "slope of the second half, MiB a minute": [rise, error],
    }


def main() -> int:
    """Soak and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("run", type=Path, nargs="?", default=ROOT / "assets" / "demo" / "run")
    options.add_argument("--sessions", type=int, default=20)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "server.log"
        with served([given.run.resolve()], log) as server:
            found = asyncio.run(
                soak(given.run, server.url, server.process.pid, given.sessions, given.minutes)
            )
        traces = log.read_text(errors="replace").count("Traceback")
    if traces:
        found.errors[f"tracebacks in the server's log: {traces}"] += 1
    told = summary(found, given.sessions, given.minutes)
    if given.json:
        print(json.dumps(told, indent=1))
    else:
        print(f"{told['sessions']} sessions, {told['minutes']:g} minutes; {told['machine']}")
        for name, one in told["tasks"].items():
            print(
                f"{name:10} walked {one['walked']:5,}, p50 {one['p50 s']:.1f} s, most {one['most s']:.1f} s"
            )
        sizes, (rise, error) = told["memory MiB"], told["slope of the second half, MiB a minute"]
        print("memory, MiB: " + ", ".join(f"{name} {size:,.0f}" for name, size in sizes.items()))
        print(f"slope of the second half: {rise:+.2f} ± {error:.2f} MiB a minute")
        print("errors: " + ("none" if not found.errors else ""))
        for line, times in told["errors"].items():
            print(f"  {times:,} x {line}")
    return int(bool(found.errors))


if __name__ == "__main__":
    sys.exit(main())
