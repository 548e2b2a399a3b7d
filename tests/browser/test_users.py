"""Users as a person uses it: a history, a moment, what is blended into the model, and what came later."""

import pytest
from playwright.sync_api import expect

from browser.conftest import PHOTOS
from browser.measured import FITS, forget_measured, write_measured
from browser.seeing import assert_listings, assert_photos, assert_whole, covers, listings, row_of
from listing_vibes import Run


@pytest.fixture
def fitted(explorer):
    """The weights of blends in the run's folder."""
    write_measured(explorer.run)
    yield
    forget_measured(explorer.run)


def test_from_the_table_to_a_recommendation_and_back(page, explorer, fitted):
    run = Run.open(explorer.run)
    page.goto("/")
    page.get_by_role("link", name="Users").first.click()
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    table.locator(".dvn-scroller").click(position={"x": 18, "y": 35 + 28})  # the box of the first line
    expect(page.get_by_role("heading", name="User u0")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/users?user=u0&at=9")
    strip = page.get_by_role("list", name="History, newest first")
    events = run.market.events[run.market.events["user_id"] == "u0"]
    assert_listings(strip, events["listing_id"].tolist()[::-1])
    assert_photos(page, strip, covers(events["listing_id"].tolist()[::-1]), PHOTOS)
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/users?user=u0&at=7")
    expect(page.get_by_text("Known here: 7. Held out: 2.")).to_be_visible()
    shown, moment = (
        page.get_by_role("list", name="Recommendations, the best first"),
        events["timestamp"].iloc[7],
    )
    expected = run.recommend("u0", at=moment)["listing_id"].tolist()
    assert_listings(shown, expected)
    later = set(events["listing_id"].iloc[7:])
    badges = shown.get_by_role("listitem").filter(has_text="interacted later")
    assert listings(badges) == [listing for listing in expected if listing in later] != []
    shown.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Home {row_of(expected[0])} by")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Known here: 7. Held out: 2.")).to_be_visible()
    page.goto("/users?user=u0&at=7&k=12")
    page.get_by_role("button", name="Advanced").click()
    page.get_by_role("radio", name="Neighbors and recency").click()
    page.wait_for_url("**/users?user=u0&at=7&k=12&with=neighbors%2Brecency")
    assert_listings(shown, run.recommend("u0", 12, moment, blend=FITS[2].parts)["listing_id"].tolist())
    expect(shown.get_by_text("Score").first).to_be_visible()
    assert_whole(page)
