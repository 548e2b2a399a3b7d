"""Similar listings and users as a person uses them, by mouse and by keyboard."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from browser.conftest import PHOTOS, WIDE_AND_PHONE
from browser.seeing import (
    assert_listings,
    assert_photos,
    assert_whole,
    covers,
    listings,
    row_of,
    wait_until_quiet,
)
from listing_vibes import Run


def near(page, space="model", number=23):
    return page.get_by_role("list", name=f"{number} neighbors by {space}, the most alike first")


@WIDE_AND_PHONE
def test_from_the_overview_to_neighbors_and_back(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/")
    expect(page.get_by_role("heading", name="Tiny town")).to_be_visible()
    assert_whole(page)
    page.goto("/similar")
    choice = page.get_by_role("list", name="Listings to choose from")
    assert_listings(choice, run.listing_ids)
    assert_photos(page, choice, covers(run.listing_ids), PHOTOS)
    choice.get_by_role("link", name="Home 5 ").click()
    expect(page.get_by_role("heading", name="Home 5 by the *old* harbour")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05")
    photos = page.get_by_role("list", name="Photos of this listing")
    expect(photos.locator(".photo")).to_have_count(1)
    first = near(page).locator(".photo").first.bounding_box()
    assert first["y"] + first["height"] <= page.viewport_size["height"]
    # On a wide screen the neighbors stand beside the listing.
    assert (first["y"] < photos.bounding_box()["y"] + 200) == (page.viewport_size["width"] > 640)
    expected = run.similar("l05")["listing_id"].tolist()
    assert_listings(near(page), expected)
    assert_photos(page, near(page), covers(expected), PHOTOS)
    page.get_by_role("radio", name="Photos").click()
    expected = run.similar("l05", space="photos")["listing_id"].tolist()
    assert_listings(near(page, "photos", len(expected)), expected)
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&space=photos")
    near(page, "photos", len(expected)).get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Home {row_of(expected[0])} by")).to_be_visible()
    assert f"listing={expected[0]}" in page.url and "space=photos" in page.url
    assert_whole(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Home 5 by the *old* harbour")).to_be_visible()
    page.reload()
    assert_listings(near(page, "photos", len(expected)), expected)
    page.go_back()
    expect(near(page)).to_be_visible()


def test_links_keyboard_search_and_line_up(page, explorer):
    page.goto("/similar")
    card = page.get_by_role("list", name="Listings to choose from").get_by_role("link").nth(3)
    with page.context.expect_page() as opened:
        card.click(modifiers=["Control"])  # as any link
    expect(opened.value.get_by_role("heading", name="Home 3 by the *old* harbour")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/similar")
    page.get_by_label("Search").fill("private")
    page.keyboard.press("Enter")
    page.wait_for_url("**/similar?q=private")
    page.reload()
    expect(page.get_by_text("8 listings match “private”")).to_be_visible()
    expect(page.get_by_label("Search")).to_have_value("private")
    page.goto("/similar?listing=l05")
    expect(near(page).locator("a").first).to_be_visible()
    first = listings(near(page))[0]
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = "document.activeElement.shadowRoot?.activeElement?.getAttribute('href') ?? ''"
        if f"listing={first}" in page.evaluate(focused):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Home {row_of(first)} by")).to_be_visible()
    page.goto("/similar?listing=l05&space=attributes&view=lineup&k=6")
    wait_until_quiet(page)
    expected = Run.open(explorer.run).similar("l05", k=6, space="attributes")["listing_id"].tolist()
    table = page.get_by_test_id("stDataFrame")
    table.locator(".dvn-scroller").click(position={"x": 18, "y": 35 + 64 + 32})  # the box of the second line
    expect(page.get_by_role("heading", name=f"Home {row_of(expected[0])} by")).to_be_visible()
    assert "view=lineup" in page.url


def test_all_photos_are_seen_large_and_why_is_a_link(page, explorer):
    page.goto("/similar?listing=l05")
    wait_until_quiet(page)
    page.get_by_role("list", name="Photos of this listing").get_by_role("button").click()
    box = page.get_by_role("dialog", name="Photos")
    expect(box.get_by_role("img", name="Photo 1 of")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(box.get_by_text("2 of 2")).to_be_in_viewport()
    page.keyboard.press("Escape")
    album = near(page).get_by_role("button", name="See all 2 photos").first
    album.click()
    expect(box.locator("img").last).to_have_js_property("complete", True)
    enlarged = "(image) => Math.min(image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight)"
    assert box.locator("img").last.evaluate(enlarged) <= 2.01
    box.get_by_role("button", name="Close").click()
    expect(box).to_have_count(0)
    expect(album).to_be_focused()
    first = listings(near(page))[0]
    near(page).get_by_role("button", name="Why is").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Why are these two alike?")).to_be_visible()
    expect(dialog.get_by_role("columnheader", name="Counts for")).to_be_visible()
    expect(dialog.get_by_role("img", name=re.compile(r"\d%")).first).to_be_visible()
    expect(page).to_have_url(re.compile(f"why={first}"))
    page.reload()
    expect(dialog.get_by_text(re.compile("^Alike mostly by"))).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05")
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("button", name="Room type: Shared room").click()
    expect(page.get_by_text("8 of 24 listings: Room type: Shared room.")).to_be_visible()
    expect(page).to_have_url(re.compile("same=room_type"))
    page.keyboard.press("Escape")
    every = Run.open(explorer.run).similar("l05", k=23)["listing_id"]
    expected = [listing for listing in every if row_of(listing) % 3 == 5 % 3]
    assert_listings(near(page, number=len(expected)), expected)


def test_from_the_users_to_a_recommendation_and_back(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/")
    page.get_by_role("link", name="Users", exact=True).click()
    cards = page.get_by_role("list", name="Users with their last listings").get_by_role("link")
    expect(cards.first).to_be_visible()
    user = parse_qs(urlsplit(cards.first.get_attribute("href")).query)["user"][0]
    cards.first.click(position={"x": 40, "y": 20})
    expect(page.get_by_role("heading", name=f"User {user}")).to_be_visible()
    page.goto("/users?user=u0&at=9")
    strip = page.get_by_role("list", name="History, oldest first")
    events = run.market.events[run.market.events["user_id"] == "u0"]
    assert_listings(strip, events["listing_id"].tolist())
    assert_photos(page, strip, covers(events["listing_id"].tolist()), PHOTOS)
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/users?user=u0&at=7")
    expect(page.get_by_text(re.compile("knows the first 7; 2 came later"))).to_be_visible()
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
    expect(page.get_by_text(re.compile("knows the first 7; 2 came later"))).to_be_visible()
    assert_whole(page)
