"""The pages of the explorer in the order of the navigation; the first is the one at `/`.

To add one: a package in `app/listing_vibes_app/app_pages` that holds `PAGE` and `page.py`, and its name in this list.
"""

from importlib import import_module

from listing_vibes_app.server.pages import PageEntry

NAMES = (
    "overview",
    "similar",
    "users",
    "simulate",
    "map",
    "cold",
    "compare",
)
PAGES: list[PageEntry] = [import_module(f"listing_vibes_app.app_pages.{name}").PAGE for name in NAMES]
