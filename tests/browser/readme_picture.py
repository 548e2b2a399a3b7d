"""The README's picture, the first page of the demo as it is: `python tests/browser/readme_picture.py` writes assets/explorer.webp."""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from shots import ROOT, shoot

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes.demo.shipped import bundled_run  # noqa: E402

WIDTH, HEIGHT = 1440, 1365
TARGET = ROOT / "assets" / "explorer.webp"


def main() -> None:
    """Photograph the first page, light, and keep its upper part."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served([bundled_run()], Path(folder) / "server.log") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        shot = Path(folder) / "shot.png"
        context = browser.new_context(color_scheme="light")
        shoot(context, f"{server.url}/", WIDTH, shot)
        browser.close()
        with Image.open(shot) as image:
            image.convert("RGB").crop((0, 0, WIDTH, min(HEIGHT, image.height))).save(
                TARGET, quality=80, method=6
            )


if __name__ == "__main__":
    main()
