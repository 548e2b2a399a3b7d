"""Similar listings as a person uses it: from the overview to a neighbour's neighbours and back."""

import re

from playwright.sync_api import expect

from browser.conftest import LISTINGS, PHOTOS, WIDE_AND_PHONE
from browser.seeing import (
    assert_listings,
    assert_photos,
    assert_whole,
    listings,
    wait_until_quiet,
)
from listing_vibes import Run


def row_of(listing):
    return int(listing[1:])


def covers(ids):
    return [
        (row_of(listing), 0) for listing in ids if row_of(listing) < LISTINGS - 1
    ]  # the last one has none


@WIDE_AND_PHONE
def test_from_the_overview_to_neighbours_and_back(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/")
    expect(page.get_by_role("heading", name="Tiny town")).to_be_visible()
    assert_whole(page)
    page.get_by_test_id("stMain").get_by_role("link", name="Choose a listing").click()
    choice = page.get_by_role("list", name="Listings to choose from")
    expect(choice).to_be_visible()
    assert_listings(choice, run.listing_ids)
    assert_photos(page, choice, covers(run.listing_ids), PHOTOS)
    assert_whole(page)

    choice.get_by_role("link", name="Home 5 ").click()
    expect(page.get_by_role("heading", name="Home 5 by the *old* harbour")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05")
    assert_photos(page, page.get_by_role("list", name="Photos of this listing"), [(5, 0), (5, 1)], PHOTOS)
    neighbours = page.get_by_role("list", name="12 neighbours by model, the most alike first")
    expect(neighbours).to_be_visible()
    expected = run.similar("l05", k=12)["listing_id"].tolist()
    assert_listings(neighbours, expected)
    assert_photos(page, neighbours, covers(expected), PHOTOS)
    assert_whole(page)

    page.get_by_role("radio", name="Photos").click()
    neighbours = page.get_by_role("list", name="12 neighbours by photos, the most alike first")
    expect(neighbours).to_be_visible()
    expected = run.similar("l05", k=12, space="photos")["listing_id"].tolist()
    assert_listings(neighbours, expected)
    assert_photos(page, neighbours, covers(expected), PHOTOS)
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&space=photos")

    neighbours.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=f"Home {row_of(expected[0])} by")).to_be_visible()
    assert f"listing={expected[0]}" in page.url and "space=photos" in page.url
    shown = [(row_of(expected[0]), 0), (row_of(expected[0]), 1)]
    assert_photos(page, page.get_by_role("list", name="Photos of this listing"), shown, PHOTOS)
    assert_whole(page)

    page.go_back()
    expect(page.get_by_role("heading", name="Home 5 by the *old* harbour")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&space=photos")
    page.reload()
    expect(page.get_by_role("heading", name="Home 5 by the *old* harbour")).to_be_visible()
    neighbours = page.get_by_role("list", name="12 neighbours by photos, the most alike first")
    expect(neighbours).to_be_visible()
    assert_listings(neighbours, expected)
    page.go_back()
    expect(page.get_by_role("list", name="12 neighbours by model, the most alike first")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("list", name="Listings to choose from")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/similar")


def test_a_link_opens_in_a_new_tab_as_any_link(page, explorer):
    page.goto("/similar")
    card = page.get_by_role("list", name="Listings to choose from").get_by_role("link").nth(3)
    with page.context.expect_page() as opened:
        card.click(modifiers=["Control"])
    expect(opened.value.get_by_role("heading", name="Home 3 by the *old* harbour")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/similar")


def test_the_keyboard_reaches_a_neighbour(page):
    page.goto("/similar?listing=l05")
    neighbours = page.get_by_role("list", name="12 neighbours by model, the most alike first")
    expect(neighbours).to_be_visible()
    expect(neighbours.locator("a").first).to_be_visible()
    first = listings(neighbours)[0]
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = "document.activeElement.shadowRoot?.activeElement?.getAttribute('href') ?? ''"
        if f"listing={first}" in page.evaluate(focused):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Home {row_of(first)} by")).to_be_visible()


def test_choosing_a_line_of_the_line_up_leads_on(page, explorer):
    page.goto("/similar?listing=l05&space=attributes&view=lineup&k=6")
    wait_until_quiet(page)
    expected = Run.open(explorer.run).similar("l05", k=6, space="attributes")["listing_id"].tolist()
    table = page.get_by_test_id("stDataFrame")
    table.locator(".dvn-scroller").click(position={"x": 18, "y": 35 + 64 + 32})  # the box of the second line
    expect(page.get_by_role("heading", name=f"Home {row_of(expected[0])} by")).to_be_visible()
    assert "view=lineup" in page.url


def test_search_keeps_its_words_in_the_url(page):
    page.goto("/similar")
    page.get_by_label("Search").fill("private")
    page.keyboard.press("Enter")
    expect(page.get_by_text("8 listings match “private”")).to_be_visible()
    page.wait_for_url("**/similar?q=private")
    page.reload()
    expect(page.get_by_text("8 listings match “private”")).to_be_visible()
    expect(page.get_by_label("Search")).to_have_value("private")


def test_all_photos_are_seen_large_with_the_keyboard(page):
    page.goto("/similar?listing=l05")
    wait_until_quiet(page)
    page.get_by_role("list", name="Photos of this listing").get_by_role("button").nth(1).click()
    box = page.get_by_role("dialog", name="Photos")
    expect(box).to_contain_text("2 of 2")
    expect(box.get_by_role("img", name="Photo 2 of 2 of Home 5")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(box).to_contain_text("1 of 2")
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)

    neighbours = page.get_by_role("list", name="12 neighbours by model, the most alike first")
    album = neighbours.get_by_role("button", name="See all 2 photos").first
    album.click()
    expect(box.locator("img")).to_have_js_property("complete", True)
    assert box.locator("img").evaluate("image => image.naturalWidth") > 0
    box.get_by_role("button", name="Close").click()
    expect(box).to_have_count(0)
    expect(album).to_be_focused()


def test_why_a_neighbour_is_there_and_back(page, explorer):
    page.goto("/similar?listing=l05")
    wait_until_quiet(page)
    neighbours = page.get_by_role("list", name="12 neighbours by model, the most alike first")
    expect(neighbours).to_be_visible()
    first = listings(neighbours)[0]
    neighbours.get_by_role("button", name="Why is").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Similarity by model: ")).to_be_visible()
    expect(page).to_have_url(re.compile(f"why={first}"))
    expect(dialog.get_by_role("heading", name="Photo against photo")).to_be_visible()
    page.reload()
    expect(dialog.get_by_text("Similarity by model: ")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05")


def test_only_neighbours_of_the_same_room_type(page, explorer):
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("button", name="Room type: Shared room").click()
    expect(page.get_by_text("Among 8 of 24 listings: Room type: Shared room.")).to_be_visible()
    expect(page).to_have_url(re.compile("same=room_type"))
    page.keyboard.press("Escape")
    every = Run.open(explorer.run).similar("l05", k=23)["listing_id"]
    expected = [listing for listing in every if row_of(listing) % 3 == 5 % 3][:6]
    assert_listings(page.get_by_role("list", name="6 neighbours by model, the most alike first"), expected)
