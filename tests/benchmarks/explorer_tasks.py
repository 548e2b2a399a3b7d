"""Five tasks of a new user in the demo's explorer, by mouse and by keyboard alone: seconds, and clicks or keys, of each.

    python -m tests.benchmarks.explorer_tasks [--by mouse keyboard] [--width 1440] [--out OUT.json]

photo     find three listings like a given photo
why       say why the second recommendation of a user is there
history   pick a history of three, and see its effect
launch    put in a new listing from a photo, and name its audience
deck      make a deck of five slides, save it, and open it in a browser that was never here: as a file, and in the explorer again

Each task starts on Home. A word that is typed counts a key for each letter.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser.chromium import ARGUMENTS, executable  # noqa: E402
from browser.seeing import wait_until_quiet  # noqa: E402
from browser.served import served  # noqa: E402
from listing_vibes.demo.shipped import bundled_runs  # noqa: E402

PATIENCE = 120_000  # milliseconds
TABS = 120  # most presses of Tab until an element is reached
#: Whether an element, or one inside it, has the focus, also within the shadow of a component.
HAS_FOCUS = """(node) => {
  let at = document.activeElement
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
  return node === at || node.contains(at)
}"""


@dataclass
class User:
    """A user who reaches everything by the mouse, or everything by the keyboard; `clicks` and `keys` count."""

    page: Page
    by: str
    clicks: int = 0
    keys: int = 0
    notes: list[str] = field(default_factory=list)

    def press(self, key: str, times: int = 1) -> None:
        """Press a key."""
        for _ in range(times):
            self.page.keyboard.press(key)
            self.keys += 1

    def write(self, text: str) -> None:
        """Type a text."""
        self.page.keyboard.type(text)
        self.keys += len(text)

    def reach(self, target: Locator) -> None:
        """Press Tab until an element has the focus."""
        expect(target).to_be_visible(timeout=PATIENCE)
        for _ in range(TABS):
            if target.evaluate(HAS_FOCUS):
                return
            self.press("Tab")
        raise AssertionError(f"{target} cannot be reached by Tab")

    def activate(self, target: Locator, key: str = "Enter") -> None:
        """Click an element, or reach it and press a key."""
        if self.by == "mouse":
            target.click()
            self.clicks += 1
        else:
            self.reach(target)
            self.press(key)

    def choose(self, group: str, name: str) -> None:
        """Choose one of the options that stand side by side."""
        option = self.page.get_by_role("radiogroup", name=group).get_by_role("radio", name=name, exact=True)
        if self.by == "mouse":
            self.activate(option)
            return
        self.reach(self.page.get_by_role("radiogroup", name=group).get_by_role("radio", checked=True))
        while not option.evaluate(HAS_FOCUS):
            self.press("ArrowRight")
        self.press("Space")

    def go(self, title: str) -> None:
        """Open a page: by its link in the navigation, or by the search of everything."""
        if self.by == "mouse":
            self.activate(self.page.get_by_role("link", name=title, exact=True).first)
        else:
            self.press("Control+k")
            dialog = self.page.get_by_role("dialog", name="Find")
            expect(dialog).to_be_visible()
            self.write(title[:6].lower())
            expect(dialog.get_by_role("button").first).to_contain_text(title)
            self.press("Enter")
        expect(self.page.get_by_role("heading", name=title).first).to_be_visible()
        wait_until_quiet(self.page)

    def upload(self, target: Locator, file: Path) -> None:
        """Choose a file; the dialog of the system counts as one click, or as Enter."""
        with self.page.expect_file_chooser() as chooser:
            self.activate(target)
        chooser.value.set_files(file)
        self.clicks, self.keys = self.clicks + (self.by == "mouse"), self.keys + (self.by == "keyboard")


def find_by_photo(user: User, photo: Path) -> str:
    """Find three listings like a photo; returns their titles."""
    user.go("Similar listings")
    user.choose("Find by", "A photo")
    user.upload(user.page.get_by_test_id("stFileUploader").locator("button", has_text="Upload").first, photo)
    cards = user.page.get_by_role("list", name="Listings that look most like the photo").get_by_role(
        "listitem"
    )
    expect(cards.nth(2).locator("img").first).to_have_js_property("complete", True)
    return "; ".join(cards.nth(place).locator(".title").inner_text() for place in range(3))


def explain_second(user: User, _photo: Path) -> str:
    """Choose a user, and say why the second recommendation is there."""
    user.go("Users")
    open_first(user, "Users with their last listings")
    listed = user.page.get_by_role("list", name="Recommendations, the best first")
    user.activate(listed.get_by_role("button", name="Why is").nth(1))
    dialog = user.page.get_by_role("dialog")
    expect(dialog.locator("table.why")).to_be_visible(timeout=PATIENCE)
    return dialog.locator("strong").first.inner_text()


def open_first(user: User, name: str) -> None:
    """Open the first card of a list."""
    user.activate(user.page.get_by_role("list", name=name, exact=True).get_by_role("link").first)
    wait_until_quiet(user.page)


def build_history(user: User, _photo: Path) -> str:
    """Pick a history of three; returns its taste and what moved with the third."""
    user.go("Simulate a user")
    for number in range(3):
        picks = user.page.get_by_role("list", name="Very different listings")
        adders = picks.get_by_role("button", name="Add ")
        expect(adders.first).to_be_visible(timeout=PATIENCE)
        if user.by == "mouse":
            user.activate(adders.nth(number))
        else:
            user.reach(picks.get_by_role("link").nth(number))
            user.press("a")
        expect(user.page.get_by_text(f"The history: {number + 1} event")).to_be_visible(timeout=PATIENCE)
        wait_until_quiet(user.page)
    line = user.page.get_by_text("since the last change").first
    expect(line).to_be_in_viewport()
    taste = user.page.get_by_text("The taste:")
    return " ".join([*taste.all_inner_texts()[:1], line.inner_text()])


def launch_listing(user: User, photo: Path) -> str:
    """Put in a new listing from a photo; returns its audience."""
    user.go("Launch a listing")
    audience = user.page.get_by_test_id("stMetricValue").first
    example = audience.inner_text()
    user.upload(user.page.get_by_test_id("stFileUploader").locator("button", has_text="Upload").first, photo)
    expect(audience).not_to_have_text(example, timeout=PATIENCE)
    expect(audience).to_be_in_viewport(timeout=PATIENCE)
    return audience.inner_text()


def make_deck(user: User, _photo: Path) -> str:
    """Pin five views, save the deck, and open it in a browser without a server and in the explorer of another machine."""
    page = user.page
    lists = {"Similar listings": "Listings to choose from", "Users": "Users with their last listings"}
    for number, title in enumerate(("", *lists, "Vibe map", "Compare")):
        if title:
            user.go(title)
        if title in lists:  # there is nothing to pin until one is chosen
            open_first(user, lists[title])
        pin = page.get_by_role("button", name="Pin this view as a slide")
        if user.by == "mouse":
            user.activate(pin)
        else:
            user.press("p")
        expect(page.get_by_role("button", name=f"Deck ({number + 1})")).to_be_visible()
    if user.by == "mouse":
        user.activate(page.get_by_role("button", name="Deck (5)"))
    else:
        user.press("d")
    editor = page.get_by_role("dialog", name="Deck")
    with page.expect_download(timeout=PATIENCE) as download:
        user.activate(editor.get_by_role("button", name="Save as a file"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "deck.html"
        download.value.save_as(file)
        return f"{file.stat().st_size / 1e6:.2f} MB; {open_elsewhere(user, file)}"


def open_elsewhere(user: User, file: Path) -> str:
    """Open a saved deck in a browser that stores nothing of the explorer's: as a file, and in the explorer."""
    here = user.page
    other = here.context.browser.new_context(viewport=here.viewport_size, base_url=here.url)
    user.page = other.new_page()
    user.page.goto(file.as_uri())
    slides = user.page.locator("section.slide:has(.foot)")
    expect(slides.first).to_be_visible()
    loaded = user.page.locator("img").evaluate_all(
        "images => images.every((image) => image.complete && image.naturalWidth)"
    )
    told = f"{slides.count()} slides without a server, photos {'all there' if loaded else 'missing'}"
    user.page.goto("/")
    wait_until_quiet(user.page)
    expect(user.page.get_by_role("button", name="Present")).to_be_visible()
    if user.by == "mouse":
        user.activate(user.page.get_by_role("button", name="Deck", exact=True))
    else:
        user.press("d")
    editor = user.page.get_by_role("dialog", name="Deck")
    user.upload(editor.get_by_role("button", name="Open a file"), file)
    expect(editor.get_by_role("listitem")).to_have_count(5)
    other.close()
    user.page = here
    return f"{told}; 5 slides in the explorer again"


TASKS: dict[str, Callable[[User, Path], str]] = {
    "photo": find_by_photo,
    "why": explain_second,
    "history": build_history,
    "launch": launch_listing,
    "deck": make_deck,
}


@contextmanager
def home(browser: Browser, url: str, by: str, width: int) -> Iterator[User]:
    """A fresh browser on Home."""
    context = browser.new_context(base_url=url, viewport={"width": width, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto("/")
    wait_until_quiet(page)
    expect(page.get_by_role("button", name="Present")).to_be_visible()
    yield User(page, by)
    context.close()


def measure(browser: Browser, url: str, by: str, width: int, photo: Path) -> dict[str, dict[str, object]]:
    """Do the tasks; one that cannot be done says so and the others go on."""
    results: dict[str, dict[str, object]] = {}
    for name, task in TASKS.items():
        with home(browser, url, by, width) as user:
            start = time.monotonic()
            try:
                answer = task(user, photo)
            except Exception as error:
                answer = f"not done: {str(error).splitlines()[0]}"
            seconds = round(time.monotonic() - start, 1)
            results[name] = {"seconds": seconds, "clicks": user.clicks, "keys": user.keys, "answer": answer}
            print(by, name, results[name], file=sys.stderr, flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--by", nargs="+", choices=["mouse", "keyboard"], default=["mouse", "keyboard"])
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--url", help="an explorer over the demo that is open already")
    given = parser.parse_args()
    expect.set_options(timeout=PATIENCE)
    runs, found = bundled_runs(), {"load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        photo = Path(temporary) / "phone.jpg"  # as a phone's: another format and size than the market's
        source = sorted((runs[0].parent / "photos").glob("*_living.webp"))[7]
        Image.open(source).convert("RGB").resize((1600, 1200)).save(photo, quality=85)
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        if given.url:
            found |= {by: measure(browser, given.url, by, given.width, photo) for by in given.by}
        else:
            with served(runs, Path(temporary) / "server.log") as server:
                found |= {by: measure(browser, server.url, by, given.width, photo) for by in given.by}
        browser.close()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
