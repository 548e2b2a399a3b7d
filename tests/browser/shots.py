"""Pictures of every page, light and dark, wide and on a phone: `python tests/browser/shots.py OUT RUN [RUN ...]`.

They lie in `OUT/NAME OF THE RUN/PAGE-THEME-WIDTH.png`. `--only PAGE` (several times) makes those of some pages,
`--look light-1440` (several times) those of some of the four looks, `--together` one explorer over all runs.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from playwright.sync_api import BrowserContext, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.seeing import wait_until_quiet  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes import Run  # noqa: E402

LOOKS = [(theme, width) for theme in ("light", "dark") for width in (1440, 390)]
TALLEST = 4000
DRAWING = 300_000  # milliseconds that the map of a run may take to be made, once


def pages(run: Path) -> dict[str, str]:
    """Paths by name, of the listing with the most photos and of the user with the most events."""
    opened = Run.open(run)
    market = opened.market
    counts = market.photos["listing_id"].value_counts(sort=False)
    listing = str(counts.idxmax()) if len(counts) else opened.listing_ids[0]
    others = [name for name in opened.listing_ids[:4] if name != listing]
    found = {
        "overview": "/",
        "details": "/?details=1",
        "choose": "/similar",
        "similar": f"/similar?listing={listing}",
        "lineup": f"/similar?listing={listing}&view=lineup",
        "users": "/users",
        "simulate": "/simulate",
        "history": f"/simulate?h={','.join([listing, *others])}",
        "two": f"/simulate?h={listing}&h2={others[0]}&two=1",
        "map": "/map",
        "group": "/map?group=0",
        "cold": "/cold?view=listings",
        "landed": f"/cold?listing={listing}",
        "new": "/cold?view=new",
        "like": f"/cold?view=new&like={listing}",
        "known": "/cold?view=figures",
        "compare": "/compare",
        "runs": f"/compare?part=runs&listing={listing}",
        "differing": "/compare?part=queries",
    }
    if len(market.events):
        log = opened.log
        found["user"] = f"/users?user={log.users[int(np.diff(log.start).argmax())]}"
    return found


def shoot(context: BrowserContext, url: str, width: int, target: Path) -> None:
    """One picture of a whole page."""
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(url)
    wait_until_quiet(page)
    # While a run's map is made the page is quiet, too; then its points are to be on the canvas.
    expect(page.get_by_text("Drawing the map")).to_have_count(0, timeout=DRAWING)
    wait_until_quiet(page)
    expect(page.locator(".vibe-map:not([data-drawn])")).to_have_count(0, timeout=DRAWING)
    page.wait_for_load_state("networkidle")
    expect(page.get_by_test_id("stException"), f"an error on {url}").to_have_count(0)
    height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(height, 900), TALLEST)})
    page.wait_for_timeout(1000)  # lazy photos come into sight
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target)
    page.close()


def main() -> None:
    """Serve each run and write its pictures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=Path)
    options.add_argument("runs", type=Path, nargs="+")
    options.add_argument("--only", action="append", default=[])
    options.add_argument("--look", action="append", choices=[f"{theme}-{width}" for theme, width in LOOKS])
    options.add_argument(
        "--together", action="store_true", help="one explorer over all runs, looked at from the first"
    )
    given = options.parse_args()
    runs = [run.resolve() for run in given.runs]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        for run in runs[:1] if given.together else runs:
            folder = given.out / (f"{run.parent.name}-run" if run.name == "run" else run.name)
            folder = folder.with_name(f"{folder.name}-together") if given.together else folder
            folder.mkdir(parents=True, exist_ok=True)
            with served(runs if given.together else [run], folder / "server.log") as server:
                for theme, width in LOOKS:
                    if given.look and f"{theme}-{width}" not in given.look:
                        continue
                    # No photo is caught while it fades in.
                    context = browser.new_context(color_scheme=theme, reduced_motion="reduce")
                    for name, path in pages(run).items():
                        if not given.only or name in given.only:
                            target = folder / f"{name}-{theme}-{width}.png"
                            shoot(context, server.url + path, width, target)
                            print(target, flush=True)
                    context.close()
        browser.close()


if __name__ == "__main__":
    main()
