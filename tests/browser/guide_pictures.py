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
from browser.seeing import wait_until_quiet  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes.demo.shipped import bundled_run  # noqa: E402


def first_page(page: Page, url: str) -> Image.Image:
    """The upper part of the first page."""
    page.set_viewport_size({"width": 1440, "height": 1365})
    page.goto(url)
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def map_of_photos(page: Page, url: str) -> Image.Image:
    """The map of photos with a group that is selected."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{url}/map?space=photos&group=0")
    expect(page.get_by_role("region", name="What is selected").get_by_role("listitem").first).to_be_visible()
    page.wait_for_timeout(5000)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


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
    page.wait_for_timeout(1500)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


#: By their file in assets.
PICTURES: dict[str, Callable[[Page, str], Image.Image]] = {
    "explorer.webp": first_page,
    "docs/map-of-photos.webp": map_of_photos,
    "docs/presenting.webp": presenting,
}


def main() -> None:
    """Photograph, light."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served([bundled_run()], Path(folder) / "server.log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        context = browser.new_context(
            color_scheme="light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(120_000)
        expect.set_options(timeout=120_000)
        for name, picture in PICTURES.items():
            page = context.new_page()
            picture(page, server.url).save(ROOT / "assets" / name, quality=80, method=6)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
