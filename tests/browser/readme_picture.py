"""The README's picture, from the demo as it is: `python tests/browser/readme_picture.py [LISTING]` writes assets/explorer.webp."""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from shots import ROOT, shoot

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes.demo.shipped import bundled_runs  # noqa: E402

WIDTH, HEIGHT = 1440, 1150
TARGET = ROOT / "assets" / "explorer.webp"


def main(listing: str = "home-0324") -> None:
    """Photograph the page of similar listings, light, and keep its upper part."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(bundled_runs(), Path(folder) / "server.log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        shot = Path(folder) / "shot.png"
        context = browser.new_context(color_scheme="light")
        shoot(context, f"{server.url}/similar?listing={listing}", WIDTH, shot)
        browser.close()
        with Image.open(shot) as image:
            image.convert("RGB").crop((0, 0, WIDTH, min(HEIGHT, image.height))).save(
                TARGET, quality=80, method=6
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
