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
    whole = "(cell, text) => { cell.textContent = text; return cell.scrollWidth <= cell.clientWidth }"
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
