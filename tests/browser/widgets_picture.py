"""The picture of the widgets in assets/docs/how-to/python.md, from the demo: `python tests/browser/widgets_picture.py [LISTING]`."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import BrowserContext, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.notebook import render  # noqa: E402
from listing_vibes import Run  # noqa: E402
from listing_vibes.demo.shipped import bundled_run  # noqa: E402
from listing_vibes.widgets import GalleryWidget, MapWidget  # noqa: E402

WIDTH, DAY, CARDS, CHOSEN = 1100, 40, 5, (1, 2)
TARGET = ROOT / "assets" / "docs" / "widgets.webp"


def map_picture(context: BrowserContext, run: Run) -> Image.Image:
    """The map on a day, a listing pointed at."""
    page, widget = context.new_page(), MapWidget(run)
    widget.day = DAY
    render(page, widget)
    expect(page.locator(".vibe-map")).to_have_attribute("data-day", str(DAY))
    page.locator("canvas").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("region", name="The listing pointed at").locator("img")).to_be_visible()
    return photographed(page)


def gallery_picture(context: BrowserContext, run: Run, listing: str) -> Image.Image:
    """Listings like one, some chosen."""
    page = context.new_page()
    render(page, GalleryWidget(run, run.similar(listing, k=CARDS)))
    cards = page.get_by_role("listitem")
    expect(page.locator(".photo img")).to_have_count(CARDS)
    for place in CHOSEN:
        cards.nth(place).get_by_role("button").click()
    return photographed(page)


def photographed(page) -> Image.Image:
    """The whole page once it stands still, the pointer away."""
    page.mouse.move(WIDTH - 1, 0)
    page.wait_for_timeout(1000)
    return Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")


def main(listing: str = "home-0324") -> None:
    """Photograph the map and a gallery, light, one above the other."""
    run = Run.open(bundled_run())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        context = browser.new_context(color_scheme="light", viewport={"width": WIDTH, "height": 300})
        parts = [map_picture(context, run), gallery_picture(context, run, listing)]
        browser.close()
    whole = Image.new("RGB", (WIDTH, sum(part.height for part in parts)), "white")
    for number, part in enumerate(parts):
        whole.paste(part, (0, sum(before.height for before in parts[:number])))
    whole.save(TARGET, quality=80, method=6)


if __name__ == "__main__":
    main(*sys.argv[1:])
