"""Simulating a user as a person does it: from a persona over changes to a second history, a link and a file."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from browser.conftest import LISTINGS, PHOTOS, WIDE_AND_PHONE
from browser.seeing import (
    assert_listings,
    assert_photos,
    assert_whole,
    wait_until_quiet,
)
from listing_vibes import Run
from listing_vibes.insight.selection.histories import MOST
from listing_vibes.run.histories import read_history
from listing_vibes_app.app_pages.simulate.history import frame


def row_of(listing):
    return int(listing[1:])


def covers(ids):
    return [(row_of(listing), 0) for listing in ids if row_of(listing) < LISTINGS - 1]


def best(run, text, k=12):
    return run.recommend(frame(text), k=k)["listing_id"].tolist()


@WIDE_AND_PHONE
def test_from_the_overview_to_a_history_that_can_be_shared(page, explorer, tmp_path):
    run = Run.open(explorer.run)
    page.goto("/")
    page.get_by_test_id("stMain").get_by_role("link", name="Play a user").first.click()
    expect(page.get_by_text("The history is empty.")).to_be_visible()
    assert_whole(page)
    page.get_by_label("Search").fill("home 5")
    page.keyboard.press("Enter")
    chooser = page.get_by_role("list", name="Listings to add to the history")
    chooser.get_by_role("button", name="Add Home 5 ").click()
    expect(page).to_have_url(f"{explorer.url}/simulate?q=home+5&h=l05")
    shown = page.get_by_role("list", name="Recommended for the history, the best first")
    expect(shown).to_be_visible()
    first = best(run, "l05")
    assert_listings(shown, first)
    assert_photos(page, shown, covers(first), PHOTOS)
    assert_whole(page)

    shown.get_by_role("button", name=f"Add Home {row_of(first[1])} ").click()
    expect(page.get_by_text("The history: 2 events")).to_be_visible()
    now = best(run, f"l05,{first[1]}")
    expect(shown.get_by_role("link").first).to_have_attribute("href", f"/similar?listing={now[0]}")
    assert_listings(shown, now)
    came = [listing for listing in now if listing not in first]
    expect(
        page.get_by_text(f"{len(came)} moved in, {len(came)} moved out since the last change").first
    ).to_be_visible()
    marked = shown.get_by_role("listitem").filter(has_text="+ new")
    expect(marked).to_have_count(len(came))
    gone = page.get_by_role("list", name="Moved out of the recommendations for the history")
    assert_listings(gone, [listing for listing in first if listing not in now])

    strip = page.get_by_role("list", name="The history, oldest first")
    strip.get_by_label("Action").first.select_option("Add to favourites")
    page.wait_for_url(f"**h=l05*add_to_favourites%2C{first[1]}")
    strip.get_by_label("Seconds").nth(1).fill("95")  # the next click leaves the field, and counts itself
    strip.get_by_role("button", name=f"Move Home {row_of(first[1])} by the *old* harbour earlier").click()
    page.wait_for_url(f"**h={first[1]}**95%2Cl05*add_to_favourites")
    expect(strip.get_by_role("link").first).to_have_attribute("href", f"/similar?listing={first[1]}")
    assert_listings(strip, [first[1], "l05"])
    text = f"{first[1]}**95,l05*add_to_favourites"
    expect(shown.get_by_role("link").first).to_have_attribute(
        "href", f"/similar?listing={best(run, text)[0]}"
    )
    assert_whole(page)
    assert_listings(shown, best(run, text))

    page.get_by_role("button", name="Save and share").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="History as JSON").click()
    download.value.save_as(tmp_path / "history.json")
    document = json.loads((tmp_path / "history.json").read_text())
    assert document["history"][1] == {"listing_id": "l05", "action": "add_to_favourites"}
    assert run.recommend(read_history(tmp_path / "history.json"), k=12)["listing_id"].tolist() == best(
        run, text
    )
    page.keyboard.press("Escape")

    strip.get_by_role("button", name="Remove Home 5 ").click()
    expect(page.get_by_text("The history: 1 event,")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("The history: 2 events")).to_be_visible()
    assert_listings(strip, [first[1], "l05"])
    page.reload()
    expect(shown).to_be_visible()
    assert_listings(strip, [first[1], "l05"])
    assert_listings(shown, best(run, text))
    page.go_back()
    expect(page.get_by_text("The history: 1 event,")).to_be_visible()


def test_two_histories_side_by_side(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/simulate?h=l05")
    page.get_by_text("Two histories side by side").click()
    page.wait_for_url("**h2=l05**")
    other = page.get_by_role("list", name="Recommended for history B, the best first")
    expect(other).to_be_visible()
    assert_listings(other, best(run, "l05"))
    chooser = page.get_by_role("list", name="Listings to add to history B")
    chooser.get_by_role("button").first.click()
    expect(page.get_by_text("History B: 2 events")).to_be_visible()
    expect(page.get_by_text("History A: 1 event,")).to_be_visible()
    wait_until_quiet(page)
    added = page.evaluate("new URLSearchParams(location.search).get('h2')")
    expected = best(run, added)
    expect(other.get_by_role("link").first).to_have_attribute("href", f"/similar?listing={expected[0]}")
    assert_listings(other, expected)
    both = set(best(run, "l05")) & set(expected)
    expect(other.get_by_role("listitem").filter(has_text="= in both")).to_have_count(len(both))


def test_the_keyboard_moves_an_event_and_stays_on_it(page):
    page.goto("/simulate?h=l05,l06,l07")
    strip = page.get_by_role("list", name="The history, oldest first")
    later = strip.get_by_role("button", name="Move Home 5 by the *old* harbour later")
    later.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**h=l06%2Cl05%2Cl07")
    expect(strip.get_by_role("listitem").nth(1)).to_contain_text("Home 5 ")
    expect(later).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**h=l06%2Cl07%2Cl05")


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}], indirect=True
)
def test_it_fits_a_phone(page):
    for path in ("/simulate", "/simulate?h=l05,l06*view*30", "/simulate?h=l05&h2=l06&two=1"):
        page.goto(path)
        wait_until_quiet(page)
        width = page.get_by_test_id("stMain").evaluate(
            "main => Math.max(main.scrollWidth, document.body.scrollWidth)"
        )
        assert width <= 390, path


def test_what_is_added_to_a_full_history_takes_the_place_of_the_oldest(page):
    page.goto(f"/simulate?h={','.join(['l03', *['l04'] * (MOST - 1)])}")
    chooser = page.get_by_role("list", name="Listings to add to the history")
    button = chooser.get_by_role("button", name=re.compile(r"^Add Home \d+ ")).first
    wait_until_quiet(page)
    button.click()
    page.wait_for_url(lambda url: "l03" not in url)
    now = parse_qs(urlsplit(page.url).query)["h"][0].split(",")
    assert now[:-1] == ["l04"] * (MOST - 1) and len(now) == MOST
