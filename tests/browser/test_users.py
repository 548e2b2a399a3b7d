"""Users as a person uses it: a history, a moment, and what was touched later."""

import pytest
from playwright.sync_api import expect

from browser.conftest import LISTINGS, PHOTOS, WIDE_AND_PHONE
from browser.measured import FITS, forget_measured, write_measured
from browser.seeing import assert_listings, assert_photos, assert_whole, listings
from listing_vibes import Run


def covers(ids):
    return [(int(listing[1:]), 0) for listing in ids if int(listing[1:]) < LISTINGS - 1]


def test_from_the_table_to_a_recommendation_and_back(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/")
    page.get_by_role("link", name="Users").first.click()
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    table.locator(".dvn-scroller").click(position={"x": 18, "y": 35 + 17})  # the box of the first line
    expect(page.get_by_role("heading", name="User u0")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/users?user=u0")
    strip = page.get_by_role("list", name="History, oldest first")
    events = run.market.events[run.market.events["user_id"] == "u0"]
    assert_listings(strip, events["listing_id"].tolist())
    assert_photos(page, strip, covers(events["listing_id"]), PHOTOS)
    expect(strip.get_by_text("Add to favourites").first).to_be_visible()

    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/users?user=u0&at=7")
    expect(page.get_by_text("Known here: 7. Kept back: 2.")).to_be_visible()
    page.get_by_role("radio", name="30").click()
    page.wait_for_url("**/users?user=u0&at=7&k=30")
    shown = page.get_by_role("list", name="Recommendations, the best first")
    expected = run.recommend("u0", k=30, at=events["timestamp"].iloc[7])["listing_id"].tolist()
    expect(shown.get_by_role("link")).to_have_count(len(expected))
    assert_listings(shown, expected)
    assert_photos(page, shown, covers(expected), PHOTOS)
    later = set(events["listing_id"].iloc[7:])
    badges = shown.get_by_role("listitem").filter(has_text="touched later")
    assert listings(badges) == [listing for listing in expected if listing in later] != []

    shown.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Home {int(expected[0][1:])} by")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/similar?listing={expected[0]}")
    page.go_back()
    expect(page.get_by_text("Known here: 7. Kept back: 2.")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/users?user=u0&at=7&k=30")


@pytest.fixture
def fitted(explorer):
    """A run of which an evaluation has said how to weigh what serving adds."""
    write_measured(explorer.run)
    yield
    forget_measured(explorer.run)


@WIDE_AND_PHONE
def test_what_serving_adds_is_added_by_a_click(page, explorer, fitted):
    run = Run.open(explorer.run)
    page.goto("/users?user=u0&at=7&k=6")
    shown = page.get_by_role("list", name="Recommendations, the best first")
    moment = run.market.events.query("user_id == 'u0'")["timestamp"].iloc[7]
    assert_listings(shown, run.recommend("u0", k=6, at=moment)["listing_id"].tolist())
    assert_whole(page)
    page.get_by_role("radio", name="Both").click()
    page.wait_for_url("**/users?user=u0&at=7&k=6&with=neighbors%2Brecency")
    assert_listings(shown, run.recommend("u0", 6, moment, beside=FITS[2].added)["listing_id"].tolist())
    expect(shown.get_by_text("Score").first).to_be_visible()
    assert_whole(page)
    page.get_by_role("radio", name="Nothing").click()
    page.wait_for_url("**/users?user=u0&at=7&k=6")
    expect(shown.get_by_text("Similarity").first).to_be_visible()
