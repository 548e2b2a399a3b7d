"""What is really to be seen: cards, and the colours of the photos in them."""

import io
import re
import time
from urllib.parse import parse_qs, urlsplit

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect

from browser.painted import colour_of

LISTINGS = 24  # of the explorer's market; the last one has no photo
PATIENCE = 180_000  # milliseconds that a busy machine may take to draw something
QUIET = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def wait_for(page, expression: str, arg=None) -> None:
    """Wait until JavaScript is true of the page; `page.wait_for_function` compiles it in the page, whose policy forbids that."""
    ends = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < ends, f"never true: {expression}"
        page.wait_for_timeout(50)


def wait_until_quiet(page) -> None:
    """Wait until the script is through and no element is an older one."""
    page.wait_for_selector(QUIET, timeout=PATIENCE)
    wait_for(page, "!document.querySelector('[data-stale=true]')")


def wait_until_still(locator) -> None:
    """Wait until an element has stood in its place for half a second: what is opened above it grows, and what it holds is drawn late,
    so that a click may begin on it and end beside it."""
    locator.evaluate(
        """async (element) => {
            let since = performance.now(), before = ""
            while (performance.now() - since < 500) {
                const { x, y } = element.getBoundingClientRect()
                if (`${x},${y}` !== before) [since, before] = [performance.now(), `${x},${y}`]
                await new Promise((next) => setTimeout(next, 50))
            }
        }"""
    )


def turn(page, theme: str) -> None:
    """Turn the viewer's system "light" or "dark", and wait until the page is drawn for it."""
    page.emulate_media(color_scheme=theme)
    wait_for(page, "theme => getComputedStyle(document.querySelector('.stApp')).colorScheme === theme", theme)
    wait_until_quiet(page)


def listings(gallery) -> list[str]:
    """Ids of the listings that the cards of a gallery link to."""
    hrefs = gallery.locator("a").evaluate_all("links => links.map((link) => link.href)")
    return [parse_qs(urlsplit(href).query)["listing"][0] for href in hrefs]


def assert_listings(gallery, expected: list[str]) -> None:
    """The cards of a gallery, once they are all drawn, link to these listings in this order."""
    links = gallery.locator("a")
    expect(links).to_have_count(len(expected))
    for number, listing in enumerate(expected):  # the gallery before a change may have as many cards
        expect(links.nth(number)).to_have_attribute(
            "href", re.compile(rf"[?&]listing={re.escape(listing)}(&|$)")
        )
    assert listings(gallery) == expected


def assert_photos(page, gallery, expected: list[tuple[int, int]], photos: int) -> None:
    """Each photo of a gallery has loaded and has the colour of the (listing row, position) expected there."""
    images = gallery.locator(".photo img")
    expect(images).to_have_count(len(expected))
    for number, (row, position) in enumerate(expected):
        image = images.nth(number)
        image.evaluate("image => image.scrollIntoView({block: 'center'})")  # not below the page's header
        handle = image.element_handle()
        wait_for(page, "image => image.complete && image.naturalWidth > 0", handle)
        with Image.open(io.BytesIO(image.screenshot())) as shot:
            seen = shot.convert("RGB").getpixel((shot.width // 2, shot.height // 3))
        painted = colour_of(row, position, photos)
        assert max(abs(a - b) for a, b in zip(seen, painted, strict=True)) < 16, (number, row, seen, painted)


def assert_whole(page) -> None:
    """The page is drawn, no photo failed to load, and no exception box shows."""
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    broken = page.locator("img").evaluate_all(
        "images => images.filter((one) => one.complete && !one.naturalWidth).map((one) => one.src)"
    )
    assert not broken, broken
    assert page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').count() == 0


def row_of(listing: str) -> int:
    """The row of a listing of the explorer's market."""
    return int(listing[1:])


def covers(ids) -> list[tuple[int, int]]:
    """(row, position) of the covers of listings, but of the one that has none."""
    return [(row_of(listing), 0) for listing in ids if row_of(listing) < LISTINGS - 1]


#: Half-way from one theme to the other a button has the letters of one and the ground of both.
SETTLED = """() => !document.getAnimations().some(
  (one) => one instanceof CSSTransition && one.playState === 'running'
)"""


#: Streamlit's own drop zone of files, which no page can change.
NOT_OURS = {"presentation-role-conflict"}


def troubles(page, where: str, **options) -> list[str]:
    """Violations of accessibility, also minor ones, as lines: rule, element, what to do."""
    wait_for(page, SETTLED)
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{where}: {one['id']}: {node['target']} {node['html'][:160]} {node['failureSummary']}"
        for one in found
        if one["id"] not in NOT_OURS
        for node in one["nodes"]
    ]
