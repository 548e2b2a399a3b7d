"""Components draw what was sent last, in whatever order a slow browser hears of it, and undo what they did before."""

import pytest
from streamlit.testing.v1 import AppTest

from listing_vibes_app.kit.component import IN_ORDER

DRAWN = """
const drawn = ({ data, parentElement }) => {
  parentElement.textContent = JSON.stringify(data)
  window.begun = (window.begun ?? 0) + 1
  return () => { window.undone = (window.undone ?? 0) + 1 }
}
"""
SHOW = """async (code) => {
  document.body.innerHTML = '<div id="host"></div>'
  const parentElement = document.getElementById("host")
  const { default: draw } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))
  window.show = (data) => {
    window.leave = draw({ data, parentElement })
    return [parentElement.textContent, window.begun ?? 0, window.undone ?? 0]
  }
}"""


@pytest.mark.slow
def test_what_is_older_than_what_is_shown_is_passed_over(chromium):
    page = chromium.new_page()
    page.evaluate(SHOW, DRAWN + IN_ORDER)
    show = "data => window.show(data)"
    assert page.evaluate(show, {"name": "second", "turn": 2}) == ['{"name":"second"}', 1, 0]
    assert page.evaluate(show, {"name": "first", "turn": 1}) == ['{"name":"second"}', 1, 0]
    assert page.evaluate(show, {"name": "second", "turn": 2}) == ['{"name":"second"}', 2, 1]  # another theme
    assert page.evaluate(show, {"name": "third", "turn": 3}) == ['{"name":"third"}', 3, 2]
    assert page.evaluate("() => { window.leave(); return [window.begun, window.undone] }") == [3, 3]
    page.close()


def _script() -> None:
    import streamlit as st

    from listing_vibes_app.kit.component import _turn

    st.session_state["turns"] = [
        _turn("one", {"shown": 1}),
        _turn("one", {"shown": 1}),
        _turn("two", {"shown": 1}),
        _turn("one", {"shown": 2}),
        _turn("one", {"shown": 1}),
    ]


def test_a_turn_grows_with_what_is_to_be_drawn():
    first, same, _, other, again = AppTest.from_function(_script).run().session_state["turns"]
    assert first == same < other < again
