"""The gallery draws what changed and nothing else, so that a step of a slider costs what it changes."""

import pytest

from listing_vibes.widgets.scripts import GALLERY, WEB, read

CODE = read("js", [WEB / name for name in ("shared", *GALLERY)])
STYLES = read("css", [WEB / "shared", WEB / "cards"])
#: The component on an empty page, and what tells which nodes there are: each gets a number when it is first seen.
PAGE = """async (code) => {
  document.body.innerHTML = '<div id="root"><ul class="gallery"></ul></div>'
  const parentElement = document.getElementById("root")
  const { default: draw } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))
  const seen = new Map()
  const number = (node) => seen.get(node) ?? (seen.set(node, seen.size), seen.get(node))
  window.show = (data) => {
    draw({ data, parentElement })
    return [...parentElement.querySelectorAll(".card")].map((card) => [
      number(card), number(card.querySelector("img")), card.querySelector(".score")?.textContent ?? "", card.className,
    ])
  }
}"""
pytestmark = pytest.mark.slow


def card(name: str, score: str, tone: str = "") -> dict:
    photo = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==#" + name
    return {
        "title": name, "href": f"/{name}", "photo": photo, "count": 1, "alt": name, "photos": [], "start": 0, "facts": [],
        "same": "", "differs": "", "reasons": [], "score": score, "why": "", "badge": "", "step": "", "divider": "", "tone": tone,
    }  # fmt: skip


def frame(*cards: dict) -> dict:
    return {
        "cards": list(cards), "box": "4 / 3", "ratio": 1.33, "label": "All", "layout": "grid", "photos": True, "least": 190,
        "height": 0, "dividers": False, "scoreHelp": "",
    }  # fmt: skip


def test_a_card_that_stays_is_the_same_node_and_a_photo_stays_with_its_listing(chromium):
    page = chromium.new_page()
    page.evaluate(PAGE, CODE)

    def show(*cards: dict) -> list[list]:
        return page.evaluate("(data) => window.show(data)", frame(*cards))

    one, two, three = show(card("a", "1"), card("b", "2"), card("c", "3"))
    assert len({node for row in (one, two, three) for node in row[:2]}) == 6
    later = show(card("c", "3"), card("d", "9"), card("a", "1"), card("b", "7", "hit"))
    assert (later[0], later[2]) == (three, one)  # moved, as they were
    assert later[3][1] == two[1] and later[3][0] != two[0]  # another score, the same photo
    assert later[3][2:] == ["7", "card hit"] and later[1][1] not in (one[1], two[1], three[1])
    twice = show(card("a", "1"), card("a", "1"), card("c", "3"))
    assert twice[0] == one and twice[2] == three and twice[1][:2] != one[:2] and twice[1][2:] == one[2:]
    assert show() == []
    page.close()


@pytest.mark.parametrize("width", [150, 190])
def test_a_number_on_a_narrow_card_is_not_broken_and_a_long_word_is(chromium, width):
    page = chromium.new_page()
    page.evaluate(PAGE, CODE)
    page.add_style_tag(content=STYLES)
    facts = [["Asking price including everything", "7,193,600,000 Rp"], ["Town", "x" * 90], ["Rooms", "3"]]
    page.evaluate(
        "data => window.show(data)",
        {**frame({**card("a", ""), "facts": facts}), "least": width, "layout": "strip"},
    )
    # How many lines the figures of the price take: those of a range over them alone.
    lines = page.evaluate(
        """() => {
          const range = document.createRange(), text = document.querySelector("dd").firstChild
          range.setStart(text, 0)
          range.setEnd(text, text.length - 3)
          return range.getClientRects().length
        }"""
    )
    assert lines == 1
    assert page.evaluate(
        "document.querySelector('.card').scrollWidth <= document.querySelector('.card').clientWidth"
    )
    words, label = (page.locator(f".facts {tag}").first.bounding_box() for tag in ("dd", "dt"))
    assert label["width"] > 10 and words["width"] + label["width"] < width
    page.close()
