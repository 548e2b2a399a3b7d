"""What strangers can send to the explorer: addresses of pages, histories, drafts, outlines, uploads.

`page-addresses` draws whole pages, a hundred times as slow as the others, which feed what reads an address.
"""

from __future__ import annotations

import random
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

from PIL import Image
from streamlit.testing.v1 import AppTest
from tests.fuzz.harness import target
from tests.fuzz.mutate import mutated

import listing_vibes_app
from browser.mapped import write_map
from browser.painted import embed_run, paint_market
from helpers.driver import scan_once
from helpers.pictures import encoded, png, text_bomb
from listing_vibes import Run
from listing_vibes.insight.map.region import read_outline
from listing_vibes.insight.market_view import MarketView
from listing_vibes.insight.selection.url_parameters import Filters, Params, document
from listing_vibes.market.photo_decoding import preview
from listing_vibes.run.newcomers import new_listings
from listing_vibes_app.app_pages.cold.draft import draft_of, read_draft
from listing_vibes_app.app_pages.similar.filters import describe_filters
from listing_vibes_app.app_pages.simulate import history_cards
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.photo_box import photo_box

MAIN = Path(listing_vibes_app.__file__).with_name("main.py")
WORDS = (
    b"--1",
    b"-0",
    b"9" * 400,
    b"%ED%A0%80",
    b"%00",
    b"%u0000",
    b"NaN",
    b"1e400",
    b"9999-12-31",
    b"0001-01-01",
    b"*",
    b",",
    b"|",
)
ADDRESSES = (
    b"similar?q=harbour&page=2&price=80-120&is=room_type:Shared%20room&on=2024-03-03",
    b"similar?listing=l05&k=6&view=lineup&same=room_type&space=photos",
    b"similar?listing=l05&view=spaces&most=1&per=room_type&variety=3&where=price%3C%3D100&live=0",
    b"similar?listing=l05&why=l06&space=attributes",
    b"users?user=u1&at=3&k=6",
    b"users?who=u&least=2",
    b"simulate?h=l05,l06*view*30&h2=l07&two=1&to=h2",
    b"map?space=photos&by=price&group=0&groups=9&page=1",
    b"map?region=1,2;30000,4;5,60000&by=clusters&probe=price",
    b"cold?set=later&page=1",
    b"cold?listing=l08&space=photos",
    b'cold?view=new&draft={"price":90,"title":"a","amenities":["Wifi"],"room_type":"b"}',
    b"compare?part=runs&listing=l05&with=x&of=user&user=u1",
    b"compare?part=queries&a=x/model&b=y/ease",
    b"overview?run=run",
)
DRAFTS = (
    b'{"price":90,"title":"a","amenities":["Wifi","Sauna"],"room_type":"b","built_year":1990}',
    b'{"price":1.5e3,"built_year":9007199254740993,"amenities":[]}',
)
HISTORIES = (b"l05,l06*view*30,l07**12.5", b"l05*add_to_favourites", b"%2F*%2A*1")


@cache
def _opened(folder: Path) -> OpenRun:
    run = embed_run(paint_market(folder / "market", photos=1), folder / "run")
    write_map(run)
    opened = Run.open(run)
    view = MarketView(opened.market, lambda: opened.log)
    return OpenRun("run", opened, view, photo_box(view))


def _worded(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A value of an address becomes a hostile word, half of the time; else any bytes changed."""
    if rng.random() < 0.5:
        return mutated(rng, corpus)
    parts = rng.choice(corpus).split(b"=")
    place = rng.randrange(1, len(parts)) if len(parts) > 1 else 0
    name = b"&" + parts[place].rpartition(b"&")[2] if b"&" in parts[place] else b""
    parts[place] = rng.choice(WORDS) + name
    return b"=".join(parts)


@target("page-addresses", seeds=lambda: list(ADDRESSES), draw=_worded)
def addresses(folder: Path) -> Callable[[bytes], object]:
    """Whole pages, drawn by Streamlit's own test driver; a fault of ours is a sentence that says so."""
    opened = _opened(folder)
    drivers: dict[str, AppTest] = {}
    scan_once()

    def driver_of(page: str) -> AppTest:
        if page not in drivers:
            drivers[page] = AppTest.from_file(str(MAIN), default_timeout=300).run()
            if page != "overview":
                drivers[page].switch_page(f"app_pages/{page}/page.py")
        return drivers[page]

    def feed(content: bytes) -> object:
        sys.argv = ["main.py", str(opened.run.path)]
        page, _, query = content.decode(errors="replace").partition("?")
        known = {path.parent.name for path in MAIN.parent.glob("app_pages/*/page.py")}
        driver = driver_of(page if page in known else "similar")
        driver.query_params.clear()
        for name, value in parse_qsl(query, errors="replace"):
            driver.query_params[name] = value
        try:
            driver.run()
        except ValueError as error:  # the driver itself knows no value that is not among a box's options
            if "streamlit/testing" not in traceback.extract_tb(error.__traceback__)[-1].filename:
                raise
            drivers.clear()
            return None
        assert not driver.exception, driver.exception[0].message
        told = [error.value for error in driver.error]
        assert not any("An unexpected error occurred" in line for line in told), told
        return None

    return feed


@target("page-filters", seeds=lambda: [one.partition(b"?")[2] for one in ADDRESSES[:3]], draw=_worded)
def filters(folder: Path) -> Callable[[bytes], object]:
    view = _opened(folder).view

    def feed(content: bytes) -> object:
        params = Params(dict(parse_qsl(content.decode(errors="replace"), errors="replace")))
        found = Filters.read(view.market, params)
        describe_filters(found, view, 3)
        again = Params({name: text for name, text in found.params().items() if text})
        assert Filters.read(view.market, again) == found
        return found.mask(view.market, 3)

    return feed


@target("page-draft", seeds=lambda: list(DRAFTS))
def draft(folder: Path) -> Callable[[bytes], object]:
    opened = _opened(folder)
    number = iter(range(1 << 60))

    def feed(content: bytes) -> object:
        cells = read_draft(opened, Params({"draft": content.decode(errors="replace")}))
        draft_of(cells).encode()  # as it goes to the browser
        place = folder / f"draft-{next(number)}"
        place.mkdir()
        try:
            return new_listings(opened.view.market, [cells], [], place)
        finally:
            shutil.rmtree(place)

    return feed


@target("page-history", seeds=lambda: list(HISTORIES))
def history_of_an_address(folder: Path) -> Callable[[bytes], object]:
    opened = _opened(folder)

    def feed(content: bytes) -> object:
        found = history_cards.parse_history(opened, content.decode(errors="replace"))
        document(found.known).encode()
        assert len(found.known) == len(found) <= history_cards.MOST_EVENTS
        return found

    return feed


@target("page-outline", seeds=lambda: [b"1,2;30000,4;5,60000", b"-1,-1;0,0;7,7;8,9"])
def outline(folder: Path) -> Callable[[bytes], object]:
    return lambda content: read_outline(content.decode(errors="replace"))


@target("page-upload", seeds=lambda: _photos())
def upload(folder: Path) -> Callable[[bytes], object]:
    return lambda content: preview(content, 64)


@cache
def _photos() -> list[bytes]:
    """Small photos of every usual kind, one of 16 bits, and two bombs: too many pixels, a text that grows."""
    kinds = (("RGB", "JPEG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("P", "GIF"), ("RGB", "WEBP"), ("RGB", "BMP"))
    found = [encoded(Image.new(mode, (24, 18), 7), kind) for mode, kind in kinds]
    return [*found, png(30_000, 30_000), text_bomb(20_000_000)]
