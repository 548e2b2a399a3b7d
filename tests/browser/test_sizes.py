"""On a phone and in the dark: nothing is wider than the screen, and the ground is dark."""

import pytest
from playwright.sync_api import expect

from browser.seeing import wait_until_quiet

PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
PATHS = [
    "/",
    "/similar",
    "/similar?listing=l05",
    "/similar?listing=l05&view=lineup",
    "/users",
    "/users?user=u1",
]


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_pages_fit_a_phone_in_the_dark(page):
    for path in PATHS:
        page.goto(path)
        wait_until_quiet(page)
        width = page.get_by_test_id("stMain").evaluate(
            "main => Math.max(main.scrollWidth, document.body.scrollWidth)"
        )
        assert width <= 390, path
        ground = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
        assert ground == "rgb(20, 25, 27)"


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_what_is_long_on_a_card_wraps_and_is_not_cut(page):
    page.goto("/similar?listing=l05&view=lineup")
    wait_until_quiet(page)
    whole = "(cell, text) => { cell.textContent = text; return cell.scrollWidth <= cell.clientWidth }"
    label = page.locator(".lineup tbody th").first
    assert label.evaluate(whole, "Neighbourhood")
    assert label.evaluate("cell => cell.getClientRects()[0].height < 45")  # in one line, not within the word
    page.goto("/similar")
    wait_until_quiet(page)
    for place in ("dt", "dd"):
        assert page.locator(f".gallery .facts {place}").first.evaluate(
            whole, "Private room in serviced apartment" if place == "dd" else "Property type"
        )


def test_a_list_of_two_pages_names_both(page):
    page.goto("/simulate")
    expect(page.get_by_role("button", name="Page 2", exact=True)).to_be_visible()
    wait_until_quiet(page)
    expect(page.get_by_role("button", name="Page 2", exact=True)).to_be_visible()


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_table_that_is_scrolled_takes_the_focus_as_long_as_it_is(page):
    page.goto("/similar?listing=l05")
    wait_until_quiet(page)
    region = page.get_by_role("region", name="Attributes of this listing")
    expect(region).to_have_count(0)
    cell = page.locator('[data-testid="stTable"] td').first
    before = cell.inner_text()
    cell.evaluate("cell => { cell.replaceChildren('x'.repeat(200)) }")
    expect(region).to_have_attribute("tabindex", "0")
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.activeElement.scrollLeft > 0")
    cell.evaluate("(cell, text) => { cell.replaceChildren(text) }", before)
    expect(region).to_have_count(0)
