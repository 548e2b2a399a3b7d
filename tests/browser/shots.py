"""Pictures of every page, light and dark, wide and on a phone: `python tests/browser/shots.py RUN OUT [LISTING [USER]]`."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.seeing import wait_until_quiet  # noqa: E402

from app.launch import address, command  # noqa: E402
from core import Run  # noqa: E402

WIDTHS = (1440, 390)
THEMES = ("light", "dark")
TALLEST = 4000


def pages(run: Path, listing: str | None, user: str | None) -> dict[str, str]:
    """Paths by name; without a listing or a user, the first with the most photos or events is taken."""
    opened = Run.open(run)
    market = opened.market
    if listing is None:
        counts = market.photos["listing_id"].value_counts(sort=False)
        listing = str(counts.idxmax()) if len(counts) else opened.listing_ids[0]
    found = {
        "overview": "/",
        "choose": "/similar",
        "similar": f"/similar?listing={listing}",
        "lineup": f"/similar?listing={listing}&view=lineup",
        "users": "/users",
        "map": "/map",
        "compare": "/compare",
        "differing": "/compare?part=queries",
    }
    if len(market.events):
        log = opened.log
        found["user"] = f"/users?user={user or log.users[int(np.diff(log.start).argmax())]}"
    return found


def shoot(browser: Browser, url: str, theme: str, width: int, target: Path) -> None:
    """One picture of a whole page."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    page.goto(url)
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(height, 900), TALLEST)})
    page.wait_for_timeout(1200)  # lazy photos come into sight
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target)
    context.close()


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address of an explorer over `run`, as long as it is needed."""
    arguments = command([run], None, browser=False)
    server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(address(arguments) + "/_stcore/health", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        yield address(arguments)
    finally:
        server.terminate()
        server.wait(30)


def main(run: Path, out: Path, listing: str | None = None, user: str | None = None) -> None:
    """Serve `run` and write `PAGE-THEME-WIDTH.png` for every page."""
    out.mkdir(parents=True, exist_ok=True)
    with served(run) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        for name, path in pages(run, listing, user).items():
            for theme in THEMES:
                for width in WIDTHS:
                    target = out / f"{name}-{theme}-{width}.png"
                    shoot(browser, url + path, theme, width, target)
                    print(target)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
