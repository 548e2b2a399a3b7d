"""Simulating a user and making a vibe dial as a person does it."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from browser.conftest import PHOTOS, WIDE_AND_PHONE
from browser.seeing import (
    assert_listings,
    assert_photos,
    assert_whole,
    covers,
    row_of,
    troubles,
    wait_until_quiet,
    wait_until_still,
)
from listing_vibes import Run, selection
from listing_vibes.insight.selection.url_parameters import MOST_EVENTS, as_rows, parse
from listing_vibes.run.histories import read_history

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
HOME = "Home {} by the *old* harbour"


def best(run, text, k=30):
    return run.recommend(as_rows([parse(token) for token in text.split(",")]), k=k)["listing_id"].tolist()


@WIDE_AND_PHONE
def test_from_the_overview_to_a_history_that_can_be_shared(page, explorer, tmp_path):
    run = Run.open(explorer.run)
    page.goto("/simulate")
    expect(page.get_by_role("heading", name="Or search for a listing")).to_be_visible()
    page.get_by_label("Search").fill("home 5")
    page.keyboard.press("Enter")
    chooser = page.get_by_role("list", name="Listings to add to the history")
    chooser.get_by_role("button", name="Add Home 5 ").click()
    expect(page).to_have_url(f"{explorer.url}/simulate?q=home+5&h=l05")
    page.goto(f"{page.url}&k=12")
    shown = page.get_by_role("list", name="Recommended for the history, the best first")
    first = best(run, "l05", 12)
    assert_listings(shown, first)
    assert_photos(page, shown, covers(first), PHOTOS)
    shown.get_by_role("button", name=f"Add Home {row_of(first[1])} ").click()
    expect(page.get_by_text("The history: 2 events")).to_be_visible()
    now = best(run, f"l05,{first[1]}", 12)
    assert_listings(shown, now)
    new = [listing for listing in now if listing not in first]
    line = f"{len(new)} moved in, {len(new)} moved out since the last change"
    expect(page.get_by_text(line).first).to_be_visible()
    expect(shown.get_by_role("listitem").filter(has_text="+ new")).to_have_count(len(new))
    gone = page.get_by_role("list", name="Moved out of the recommendations for the history")
    assert_listings(gone, [listing for listing in first if listing not in now])

    strip = page.get_by_role("list", name="The history, oldest first")
    strip.get_by_role("button", name="Action and time of Home 5 ").click()
    page.get_by_role("dialog").get_by_role("combobox").select_option("Add to favourites")
    page.wait_for_url(f"**h=l05*add_to_favourites%2C{first[1]}**")
    page.get_by_role("button", name="Done").click()
    strip.get_by_role("button", name=f"Action and time of {HOME.format(row_of(first[1]))}").click()
    page.get_by_role("dialog").get_by_role("spinbutton").fill("95")
    page.get_by_role("button", name="Done").click()  # leaves the field
    page.wait_for_url("**95**")
    strip.get_by_role("button", name=f"Move {HOME.format(row_of(first[1]))} earlier").click()
    page.wait_for_url(f"**h={first[1]}**95%2Cl05*add_to_favourites**")
    assert_listings(strip, [first[1], "l05"])
    text = f"{first[1]}**95,l05*add_to_favourites"
    assert_listings(shown, best(run, text, 12))
    assert_whole(page)

    page.get_by_role("button", name="Save and share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="History as JSON").click()
    download.value.save_as(tmp_path / "history.json")
    document = json.loads((tmp_path / "history.json").read_text())
    assert document["history"][1] == {"listing_id": "l05", "action": "add_to_favourites"}
    saved = run.recommend(read_history(tmp_path / "history.json"), k=12)
    assert saved["listing_id"].tolist() == best(run, text, 12)
    page.keyboard.press("Escape")
    strip.get_by_role("button", name="Remove Home 5 ").click()
    expect(page.get_by_text("The history: 1 event", exact=True)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("The history: 2 events")).to_be_visible()
    page.reload()
    assert_listings(strip, [first[1], "l05"])
    page.go_back()
    expect(page.get_by_text("The history: 1 event", exact=True)).to_be_visible()


def test_two_histories_the_keyboard_and_a_full_history(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/simulate?h=l05&k=12")
    page.get_by_text("Two histories side by side").click()
    page.wait_for_url("**h2=l05**")
    other = page.get_by_role("list", name="Recommended for history B, the best first")
    assert_listings(other, best(run, "l05", 12))
    page.get_by_role("button", name="Add to history B").click()
    chooser = page.get_by_role("list", name="Listings to add to history B")
    chooser.get_by_role("button", name=re.compile("^Add ")).first.click()
    expect(page.get_by_text("History B: 2 events")).to_be_visible()
    expect(page.get_by_text("History A: 1 event", exact=True)).to_be_visible()
    wait_until_quiet(page)
    expected = best(run, page.evaluate("new URLSearchParams(location.search).get('h2')"), 12)
    assert_listings(other, expected)
    both = set(best(run, "l05", 12)) & set(expected)
    expect(other.get_by_role("listitem").filter(has_text="= in both")).to_have_count(len(both))
    page.goto("/simulate?h=l05,l06,l07")
    strip = page.get_by_role("list", name="The history, oldest first")
    later = strip.get_by_role("button", name=f"Move {HOME.format(5)} later")
    later.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**h=l06%2Cl05%2Cl07")
    expect(strip.get_by_role("link").nth(1)).to_have_attribute("href", re.compile("listing=l05"))
    expect(later).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**h=l06%2Cl07%2Cl05")
    wait_until_quiet(page)
    cards = strip.get_by_role("listitem")
    cards.nth(2).locator(".handle").drag_to(cards.first)
    page.wait_for_url("**h=l05%2Cl06%2Cl07")
    wait_until_quiet(page)
    page.get_by_role("list", name="Recommended for the history, the best first").get_by_role(
        "link"
    ).first.drag_to(strip)
    page.wait_for_url(re.compile("h=l05%2Cl06%2Cl07%2Cl"))
    page.goto(f"/simulate?add=1&h={','.join(['l03', *['l04'] * (MOST_EVENTS - 1)])}")
    chooser = page.get_by_role("list", name="Listings to add to the history")
    button = chooser.get_by_role("button", name=re.compile(r"^Add Home \d+ ")).first
    wait_until_quiet(page)
    button.click()
    page.wait_for_url(lambda url: "l03" not in url)
    now = parse_qs(urlsplit(page.url).query)["h"][0].split(",")
    assert now[:-1] == ["l04"] * (MOST_EVENTS - 1) and len(now) == MOST_EVENTS


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_a_finger_on_the_handle_moves_an_event_of_the_history(page):
    page.goto("/simulate?h=l05,l06,l07")
    handles = page.get_by_role("list", name="The history, oldest first").locator(".handle")
    expect(handles).to_have_count(3)
    handles.last.scroll_into_view_if_needed()
    wait_until_still(handles.last)
    finger = page.context.new_cdp_session(page)
    boxes = [handles.nth(place).bounding_box() for place in (2, 1)]
    for kind, box in zip(("touchStart", "touchMove"), boxes, strict=True):
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_url("**h=l05%2Cl07%2Cl06")


def test_cards_are_chosen_by_keyboard_and_faster_than_the_page_answers(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/users?user=u1&at=4&k=6")
    wait_until_quiet(page)
    page.get_by_role("button", name="Advanced").press("Enter")
    page.get_by_role("button", name="Vibe dial").press("Enter")
    page.keyboard.press("Escape")
    listed = page.get_by_role("list", name="Recommendations, the best first")
    more = listed.get_by_role("button", name="More like")
    expect(more).to_have_count(6)
    ids = [one.split(":")[0] for one in more.evaluate_all("all => all.map((one) => one.dataset.key)")]
    more.evaluate_all("all => [1, 2, 4].forEach((place) => all[place].click())")
    last = listed.get_by_role("button", name="Less like").nth(5)
    last.focus()
    page.keyboard.press("Space")
    make = page.get_by_role("button", name="Make the dial")
    expect(make).to_be_enabled()
    wait_until_quiet(page)
    expect(last).to_be_focused()
    expect(listed.locator("[aria-pressed=true]")).to_have_count(4)
    for field, many in (("More like these", 3), ("Less like those", 1)):
        expect(
            page.get_by_test_id("stMultiSelect").filter(has_text=field).locator("[data-tag-index]")
        ).to_have_count(many)
    assert not troubles(page, "a dial that is being made")
    make.press("Enter")
    sides = "+".join([*(f"%2B{ids[place]}" for place in (1, 2, 4)), f"-{ids[5]}"])
    expect(page).to_have_url(f"{explorer.url}/users?user=u1&at=4&k=6&dial=like+these+1+model+{sides}")
    wait_until_quiet(page)
    assert_listings(listed, selection(run, page.url)["listing_id"].tolist())
    slider = page.get_by_role("slider", name="Like these")
    expect(slider).to_have_value("1")
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{explorer.url}/users?user=u1&at=4&k=6&dial=like+these+3+model+{sides}")
    wait_until_quiet(page)
    assert_listings(listed, selection(run, page.url)["listing_id"].tolist())
    assert_whole(page)
    page.get_by_role("button", name="Without like these").click()
    expect(page).to_have_url(f"{explorer.url}/users?user=u1&at=4&k=6")
    wait_until_quiet(page)
    assert_listings(listed, ids)
