"""Text is text: a market whose every word tries something is shown word for word, on every page and in the deck."""

import shutil
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import expect

from browser.conftest import fresh_page, is_probe, serving
from browser.hostile import ACTION, CATEGORY, FLAG, HOST, LISTING, PICTURE, USER, WORD, hostile_market
from browser.mapped import write_map
from browser.measured import write_measured
from browser.painted import train_run
from browser.seeing import PATIENCE, wait_for, wait_until_quiet
from browser.served import served

ONE, OTHER, PERSON = f"{LISTING}l01", f"{LISTING}l02", f"{USER}u1"
PLACES = {
    "overview": ("", {}),
    "choose": ("similar", {"q": PICTURE}),
    "filtered": ("similar", {"is": f"{CATEGORY}:nothing {WORD}", "on": "9999-12-31"}),
    "similar": ("similar", {"listing": ONE}),
    "sameness": ("similar", {"listing": ONE, "same": CATEGORY, "where": WORD}),
    "lineup": ("similar", {"listing": ONE, "view": "lineup"}),
    "spaces": ("similar", {"listing": ONE, "view": "spaces"}),
    "why": ("similar", {"listing": ONE, "why": OTHER, "space": "attributes"}),
    "unknown": ("similar", {"listing": WORD}),
    "users": ("users", {}),
    "nobody": ("users", {"who": WORD}),
    "user": ("users", {"user": PERSON, "with": "recency"}),
    "simulate": ("simulate", {}),
    "history": (
        "simulate",
        {"h": f"{quote(ONE, safe='')},{quote(OTHER, safe='')}*{quote(ACTION, safe='')}*30"},
    ),
    "map": ("map", {"by": CATEGORY, "groups": "9"}),
    "group": ("map", {"group": "0", "by": FLAG}),
    "probe": ("compare", {"part": "photos", "probe": "price"}),
    "cold": ("cold", {}),
    "landed": ("cold", {"listing": ONE}),
    "new": ("cold", {"view": "new", "draft": '{"price":90}'}),
    "known": ("cold", {"view": "figures"}),
    "compare": ("compare", {}),
    "differing": ("compare", {"part": "queries"}),
}
#: Where not a word of the market stands but on a canvas.
SILENT = {"known", "compare", "users", "probe"}
#: Words as a screen reader meets them, those of our own components and of shadow roots too.
ALL_WORDS = """() => {
  const words = (root) => [...root.querySelectorAll('*')].map(
    (node) => (node.shadowRoot ? words(node.shadowRoot) : '') +
      [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.textContent).join(' ')
  ).join(' ')
  return words(document)
}"""


@pytest.fixture(scope="module")
def hostile(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    run = train_run(hostile_market(folder / "market"), folder / "run")
    write_map(run)
    write_measured(run)
    with serving(run, folder) as explorer:
        yield explorer


class Watched:
    """A page, and what it did that no word may make it do."""

    def __init__(self, page, home: str) -> None:
        self.page = page
        self.page.set_default_timeout(PATIENCE)
        self.troubles: list[str] = []
        note = self.troubles.append
        self.page.on("dialog", lambda dialog: (note(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: note(f"script: {error}"))
        self.page.on(
            "console",
            lambda one: (
                note(f"console: {one.text}")
                if one.type == "error" and not is_probe(one.location["url"])
                else None
            ),
        )
        self.page.on(
            "request",
            lambda one: None if one.url.startswith((home, "data:", "blob:")) else note(f"asked {one.url}"),
        )

    def words(self) -> str:
        return " ".join(str(self.page.evaluate(ALL_WORDS)).split())


@pytest.fixture
def watched(contexts, hostile):
    context = contexts(hostile.url, viewport={"width": 1440, "height": 900})
    return Watched(fresh_page(context, hostile.url), hostile.url)


@pytest.mark.parametrize("name", PLACES)
def test_every_word_is_shown_as_it_is(watched, hostile, name):
    page, (path, params) = watched.page, PLACES[name]
    page.goto(f"{hostile.url}/{path}?{urlencode(params)}")
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    for box in page.get_by_test_id("stExpander").all():
        if not box.evaluate("one => one.closest('[inert]')"):  # behind a dialog nobody can press it
            box.locator("summary").click()
    for button in page.get_by_test_id("stPopover").locator("button").all():
        if button.is_enabled() and not page.get_by_test_id("stDialog").count():
            button.click()
            page.keyboard.press("Escape")
    wait_until_quiet(page)
    if name not in SILENT:  # our components draw themselves once the script is through
        drawn = f"words => {{ const all = ({ALL_WORDS})(); return words.some((one) => all.includes(one)) }}"
        wait_for(page, drawn, [PICTURE, "!["])
    shown = watched.words()
    assert page.get_by_test_id("stException").count() == 0
    assert page.locator(f'a[href*="{HOST}"], img[src*="{HOST}"], a[href^="javascript:"]').count() == 0
    assert "\u202e" not in shown and "\x1b" not in shown and "\u200f" not in shown
    assert "\\!" not in shown and "\\[" not in shown, "a mark of ours against markdown is to be seen"
    assert not watched.troubles, "\n".join(watched.troubles)


def test_two_runs_are_named_and_compared_word_for_word(watched, hostile, tmp_path):
    other = shutil.copytree(hostile.run, tmp_path / "other")
    page = watched.page
    with served([hostile.run, other], tmp_path / "server.log") as server:
        two = Watched(page.context.new_page(), server.url)
        for params in ({"listing": ONE}, {"of": "user", "user": PERSON}):
            two.page.goto(f"{server.url}/compare?{urlencode({'part': 'runs', **params})}")
            wait_until_quiet(two.page)
            two.page.wait_for_load_state("networkidle")
            drawn = f"word => ({ALL_WORDS})().split(word).length > 11"
            wait_for(two.page, drawn, PICTURE)
            shown = two.words()
            assert shown.count(PICTURE) > 10 and "\u202e" not in shown
            assert two.page.locator(f'a[href*="{HOST}"], img[src*="{HOST}"]').count() == 0
    assert not two.troubles, "\n".join(two.troubles)


def test_two_sessions_never_see_each_others_history(chromium, hostile):
    mine, theirs = (chromium.new_context(base_url=hostile.url) for _ in range(2))
    one, two = mine.new_page(), theirs.new_page()
    one.goto(f"/simulate?{urlencode({'h': quote(ONE, safe='')})}")
    expect(one.get_by_text("1 event", exact=False).first).to_be_visible()
    one.get_by_role("button", name="Start empty").click()
    expect(one.get_by_role("heading", name="Pick three that you like")).to_be_visible()
    for _ in range(2):
        two.goto("/simulate")
        wait_until_quiet(two)
        expect(two.get_by_role("button", name="Undo")).to_be_disabled()
        expect(two.get_by_role("heading", name="Pick three that you like")).to_be_visible()
        one.get_by_role("button", name="Undo").click()
        expect(one.get_by_text("1 event", exact=False).first).to_be_visible()
        one.get_by_role("button", name="Start empty").click()
        expect(one.get_by_role("heading", name="Pick three that you like")).to_be_visible()
    mine.close()
    theirs.close()
