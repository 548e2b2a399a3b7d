"""The notebook's widgets in a real browser: drawn as the widget protocol does it, and a choice reaches the Python object."""

import pytest
from playwright.sync_api import expect

from browser.mapped import write_map
from browser.notebook import render
from browser.seeing import PATIENCE
from listing_vibes import Run

pytest.importorskip("anywidget", reason="anywidget is not installed; pip install 'listing-vibes[notebook]'")
from listing_vibes.widgets import GalleryWidget, MapWidget


@pytest.fixture
def blank(chromium):
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(PATIENCE)
    view = context.new_page()
    troubles: list[str] = []
    view.on("pageerror", lambda error: troubles.append(str(error)))
    yield view
    context.close()
    assert not troubles, troubles


def test_cards_that_are_chosen_are_the_selection(blank, explorer):
    run = Run.open(explorer.run)
    widget = GalleryWidget(run, run.similar("l05", k=6))
    render(blank, widget)
    cards = blank.get_by_role("list", name="6 listings").get_by_role("listitem")
    expect(cards.locator(".photo img")).to_have_count(sum(one in run.market.cover for one in widget.shown))
    for place in (3, 1):
        cards.nth(place).get_by_role("button").click()
    expect(cards.nth(3).get_by_role("button")).to_have_attribute("aria-pressed", "true")
    assert widget.selected == [widget.shown[1], widget.shown[3]]
    assert widget.selection["listing_id"].tolist() == widget.selected
    cards.nth(1).get_by_role("button").click()
    assert widget.selected == [widget.shown[3]]


@pytest.fixture
def mapped(explorer):
    """The run with a map."""
    write_map(explorer.run)
    yield Run.open(explorer.run)
    (explorer.run / "map.parquet").unlink()


def test_what_is_in_sight_or_drawn_around_on_the_map_is_the_selection(blank, mapped):
    widget = MapWidget(mapped)
    render(blank, widget)
    expect(blank.locator(".vibe-map")).to_have_attribute("data-drawn", str(widget._data["n"]))
    expect(blank.locator(".facet").first).to_be_visible()
    blank.get_by_role("button", name="Select what is in view").click()
    until(lambda: widget.outline and len(widget.selected) == widget._data["n"], blank)
    canvas = blank.locator("canvas")
    canvas.focus()
    blank.keyboard.press("ArrowRight")
    card = blank.get_by_role("region", name="The listing pointed at")
    expect(card.locator(".title")).to_contain_text("Home")
    expect(card.get_by_role("link")).to_have_count(0)
    expect(blank.locator(".shots img[src]")).not_to_have_count(0)
    blank.get_by_role("button", name="Draw a region").click()
    box = canvas.bounding_box()
    blank.mouse.move(box["x"] + 3, box["y"] + 60)
    blank.mouse.down()
    for x, y in ((0.5, 0.2), (0.5, 0.98), (0.01, 0.98)):
        blank.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
    blank.mouse.up()
    expect(blank.get_by_role("status").last).to_contain_text("chosen")
    until(lambda: 0 < len(widget.selected) < widget._data["n"], blank)
    assert widget.selection["listing_id"].tolist() == widget.selected
    blank.get_by_role("button", name="Clear all").click()
    until(lambda: widget.outline == "" and not widget.selected, blank)


def until(what, page) -> None:
    for _ in range(PATIENCE // 50):
        if what():
            return
        page.wait_for_timeout(50)
    raise AssertionError("nothing came of it")
