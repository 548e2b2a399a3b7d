"""On a phone and in the dark: nothing is wider than the screen, and the ground is dark."""

import pytest
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
