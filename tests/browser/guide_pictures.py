"""Pictures of the README and the guide, from the demo as it is: `python tests/browser/guide_pictures.py` writes those of `PICTURES`."""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.notebook import render  # noqa: E402
from browser.seeing import wait_until_quiet  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes import Run  # noqa: E402
from listing_vibes.demo.shipped import bundled_run  # noqa: E402
from listing_vibes.widgets import GalleryWidget, MapWidget  # noqa: E402


def shot(page: Page, pause: int = 0, **options: bool) -> Image.Image:
    """The page after a pause in milliseconds."""
    page.wait_for_timeout(pause)
    return Image.open(io.BytesIO(page.screenshot(**options))).convert("RGB")


def first_page(page: Page, url: str) -> Image.Image:
    """The upper part of the first page."""
    page.set_viewport_size({"width": 1440, "height": 1365})
    page.goto(url)
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    return shot(page, pause=8000)  # the photos of the wall are decoded late


def map_of_photos(page: Page, url: str) -> Image.Image:
    """The map of photos with a group that is selected."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{url}/map?space=photos&group=0")
    expect(page.get_by_role("region", name="What is selected").get_by_role("listitem").first).to_be_visible()
    return shot(page, 5000)


def presenting(page: Page, url: str) -> Image.Image:
    """A slide of the ready deck, as it is presented: a visitor, and what they opened next."""
    page.set_viewport_size({"width": 1200, "height": 750})
    page.goto(url)
    wait_until_quiet(page)
    page.get_by_role("button", name="Present", exact=True).click()
    expect(page.frame_locator("iframe[title=Slides]").locator(".slide").first).to_be_visible()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.mouse.move(1199, 0)
    return shot(page, 1500)


def widgets(page: Page, url: str) -> Image.Image:
    """A notebook's map on a day, a listing pointed at, above listings like one, some of them chosen."""
    run, width = Run.open(bundled_run()), 1100
    drawn, gallery, parts = MapWidget(run), GalleryWidget(run, run.similar("home-0324", k=5)), []
    drawn.day = 40
    for widget in (drawn, gallery):
        view = page.context.new_page()
        view.set_viewport_size({"width": width, "height": 300})
        render(view, widget)
        if widget is drawn:
            expect(view.locator(".vibe-map")).to_have_attribute("data-day", "40")
            view.locator("canvas").focus()
            view.keyboard.press("ArrowRight")
            pointed = view.get_by_role("region", name="The listing pointed at")
            expect(pointed.locator("img")).to_be_visible()
        else:
            expect(view.locator(".photo img")).to_have_count(5)
            for place in (1, 2):
                view.get_by_role("listitem").nth(place).get_by_role("button").click()
        view.mouse.move(width - 1, 0)
        parts.append(shot(view, 1000, full_page=True))
    whole = Image.new("RGB", (width, sum(part.height for part in parts)), "white")
    for number, part in enumerate(parts):
        whole.paste(part, (0, sum(before.height for before in parts[:number])))
    return whole


#: By their file in assets.
PICTURES: dict[str, Callable[[Page, str], Image.Image]] = {
    "explorer.webp": first_page,
    "docs/map-of-photos.webp": map_of_photos,
    "docs/presenting.webp": presenting,
    "docs/widgets.webp": widgets,
}


def main() -> None:
    """Photograph, light."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served([bundled_run()], Path(folder) / "server.log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        context = browser.new_context(color_scheme="light", reduced_motion="reduce")
        context.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        for name, picture in PICTURES.items():
            page = context.new_page()
            picture(page, server.url).save(ROOT / "assets" / name, quality=80, method=6)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
