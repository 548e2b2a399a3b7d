"""The scripts of components on an empty page: what changed is drawn and nothing else, in the order in which it was sent."""

import pytest
from streamlit.testing.v1 import AppTest

from listing_vibes.widgets.scripts import GALLERY, WEB, read_files
from listing_vibes_app.kit.component import IN_ORDER

#: Imports the code of a module and draws on an empty page.
IMPORT = 'const load = (code) => import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))'
GALLERY_PAGE = f"""async (code) => {{
  {IMPORT}
  document.body.innerHTML = '<div id="root"><ul class="gallery"></ul></div>'
  const parentElement = document.getElementById("root")
  const {{ default: draw }} = await load(code)
  const seen = new Map()
  const number = (node) => seen.get(node) ?? (seen.set(node, seen.size), seen.get(node))
  window.show = (data) => {{
    draw({{ data, parentElement }})
    return [...parentElement.querySelectorAll(".card")].map((card) => [
      number(card), number(card.querySelector("img")), card.querySelector(".score")?.textContent ?? "", card.className,
    ])
  }}
}}"""


@pytest.fixture
def blank(chromium):
    page = chromium.new_page()
    yield page
    page.close()


def card(name: str, score: str, tone: str = "") -> dict:
    photo = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==#" + name
    lists = {"photos": [], "facts": [], "reasons": []}
    words = dict.fromkeys(("same", "differs", "why", "badge", "step", "divider"), "")
    base = {"title": name, "href": f"/{name}", "photo": photo, "count": 1, "alt": name, "start": 0}
    return {**base, **lists, **words, "score": score, "tone": tone}


@pytest.mark.slow
def test_a_card_that_stays_is_the_same_node_and_a_photo_stays_with_its_listing(blank):
    blank.evaluate(GALLERY_PAGE, read_files("js", [WEB / name for name in ("shared", *GALLERY)]))
    frame = {"box": "4 / 3", "ratio": 1.33, "label": "All", "layout": "grid", "photos": True, "least": 190}
    frame |= {"height": 0, "dividers": False, "scoreHelp": ""}

    def show(*cards: dict) -> list[list]:
        return blank.evaluate("(data) => window.show(data)", {**frame, "cards": list(cards)})

    one, two, three = show(card("a", "1"), card("b", "2"), card("c", "3"))
    assert len({node for row in (one, two, three) for node in row[:2]}) == 6
    later = show(card("c", "3"), card("d", "9"), card("a", "1"), card("b", "7", "hit"))
    assert (later[0], later[2]) == (three, one)  # moved, as they were
    assert later[3][1] == two[1] and later[3][0] != two[0]  # another score, the same photo
    assert later[3][2:] == ["7", "card hit"] and later[1][1] not in (one[1], two[1], three[1])
    twice = show(card("a", "1"), card("a", "1"), card("c", "3"))
    assert twice[0] == one and twice[2] == three and twice[1][:2] != one[:2] and twice[1][2:] == one[2:]
    assert show() == []


DRAWN = """
const drawn = ({ data, parentElement }) => {
  parentElement.textContent = JSON.stringify(data)
  window.begun = (window.begun ?? 0) + 1
  return () => { window.undone = (window.undone ?? 0) + 1 }
}
"""
SHOW = f"""async (code) => {{
  {IMPORT}
  document.body.innerHTML = '<div id="host"></div>'
  const parentElement = document.getElementById("host")
  const {{ default: draw }} = await load(code)
  window.show = (data) => {{
    window.leave = draw({{ data, parentElement }})
    return [parentElement.textContent, window.begun ?? 0, window.undone ?? 0]
  }}
}}"""


def _script() -> None:
    import streamlit as st

    from listing_vibes_app.kit.component import _turn

    shown = [("one", 1), ("one", 1), ("two", 1), ("one", 2), ("one", 1)]
    st.session_state["turns"] = [_turn(key, {"shown": number}) for key, number in shown]


@pytest.mark.slow
def test_what_is_older_than_what_is_shown_is_skipped(blank):
    blank.evaluate(SHOW, DRAWN + IN_ORDER)
    show = "data => window.show(data)"
    assert blank.evaluate(show, {"name": "second", "turn": 2}) == ['{"name":"second"}', 1, 0]
    assert blank.evaluate(show, {"name": "first", "turn": 1}) == ['{"name":"second"}', 1, 0]
    assert blank.evaluate(show, {"name": "second", "turn": 2}) == ['{"name":"second"}', 2, 1]  # another theme
    assert blank.evaluate(show, {"name": "third", "turn": 3}) == ['{"name":"third"}', 3, 2]
    leave = "() => { window.leave(); return [window.begun, window.undone] }"
    assert blank.evaluate(leave) == [3, 2], "the end of an outdated update does not undo what is shown"
    blank.evaluate("() => document.getElementById('host').remove()")
    assert blank.evaluate(leave) == [3, 3]
    first, same, _, other, again = AppTest.from_function(_script).run().session_state["turns"]
    assert first == same < other < again


#: The days alone: `drawn` brings what a page that is drawn says, `sent` is what the page heard.
