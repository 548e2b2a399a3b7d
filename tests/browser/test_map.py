"""The vibe map as a person uses it: pointing, drawing around, photos close up, days, unmet demand, and its drawing."""

import csv
import io
import re
import shutil

import pandas as pd
import pytest
from playwright.sync_api import expect

from browser.conftest import PHOTOS, WIDE_AND_PHONE, serving
from browser.mapped import short_run, write_map
from browser.seeing import assert_listings, assert_photos, assert_whole, troubles, turn, wait_until_quiet
from listing_vibes import Run
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.map.region import SIZE, grid_places, inside, read_outline

DRAWING = 180_000  # milliseconds that a busy machine may take to draw a small map
MARGIN = 0.94  # of the shorter side that the map takes


@pytest.fixture(scope="module")
def drawn(explorer):
    """The map of the explorer's run, and the positions of the space model on the grid."""
    frame = write_map(explorer.run)
    frame = frame[frame["space"] == "model"].reset_index(drop=True)
    yield frame, grid_places(frame[["x", "y"]].to_numpy())
    (explorer.run / "map.parquet").unlink()


def open_map(page, path="/map?space=model"):
    page.goto(path)
    expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", re.compile("[0-9]+"))
    wait_until_quiet(page)


def on_screen(page, x, y):
    box = page.locator(".vibe-map canvas").bounding_box()
    unit = min(box["width"], box["height"]) * MARGIN / SIZE
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return middle[0] + (x - SIZE / 2) * unit, middle[1] - (y - SIZE / 2) * unit


def test_from_pointing_to_a_file_of_exactly_those_inside(page, drawn, explorer):
    frame, places = drawn
    page.set_viewport_size({"width": 1440, "height": 1200})  # the whole map is in sight
    page.goto("/")
    page.get_by_role("link", name="Vibe map").first.click()
    # It opens on the photos, which one listing does not have.
    expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", "23")
    wait_until_quiet(page)
    page.get_by_role("radio", name="Model").click()
    expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", "24")
    wait_until_quiet(page)
    page.mouse.move(*on_screen(page, *places[4]))
    beside = page.get_by_role("region", name="The listing pointed at")
    expect(beside.get_by_text("Home 4 by the *old* harbour")).to_be_visible()
    assert_photos(page, beside, [(4, 0)], PHOTOS)

    page.get_by_role("button", name="Draw around").click()
    corners = [(1500, -1200), (20_000, -1200), (20_000, 51_000), (1500, 51_000)]
    page.mouse.move(*on_screen(page, *corners[0]))
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*on_screen(page, *corner), steps=8)
    page.mouse.up()
    page.wait_for_url("**region=**")
    region = page.url.split("region=")[1].split("&")[0].replace("%2C", ",").replace("%3B", ";")
    chosen = frame["listing_id"][inside(places, read_outline(region))].tolist()
    assert 0 < len(chosen) < 24
    grid = page.get_by_role("list", name="Listings of the region")
    assert_listings(grid, chosen)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [row["listing_id"] for row in rows] == chosen
    with page.expect_download() as download:
        page.get_by_role("button", name="Parquet").click()
    assert pd.read_parquet(download.value.path())["listing_id"].tolist() == chosen
    page.reload()
    assert_listings(grid, chosen)
    page.get_by_role("button", name="Show all listings").click()
    expect(grid).to_have_count(0)
    expect(page).to_have_url(f"{explorer.url}/map?space=model")
    page.get_by_role("button", name="Look at it").nth(1).click()
    page.wait_for_url("**group=1**")
    expect(grid.locator("a")).to_have_count(11)


def test_the_keyboard_walks_chooses_and_opens(page, drawn):
    open_map(page)
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    status = page.get_by_role("status").filter(has_text="Home")
    first = status.inner_text()
    page.keyboard.press("ArrowRight")
    expect(status).not_to_have_text(first)
    title = page.get_by_role("region", name="The listing pointed at").locator(".title").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    page.go_back()
    open_map(page)
    page.get_by_role("button", name="Choose what is in sight").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**region=**")
    expect(page.get_by_text("All listings are in this region")).to_be_visible()


def test_the_button_photos_is_pressed_while_photos_are_shown(page, drawn):
    page.set_viewport_size({"width": 1440, "height": 1200})
    open_map(page, "/map")
    card, button = page.locator(".vibe-map"), page.get_by_role("button", name="Photos", exact=True)
    expect(card).to_have_attribute("data-photos", "0")  # the whole map has dots
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()  # zooms in far enough
    canvas = page.locator(".vibe-map canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")  # a listing comes into sight
    expect(card).not_to_have_attribute("data-photos", "0")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(card).to_have_attribute("data-photos", "0")
    expect(button).to_have_attribute("aria-pressed", "false")
    # The wheel scrolls the page and says how it zooms; with the focus on the map it zooms.
    page.get_by_role("button", name="Whole map").click()
    canvas.hover()
    page.mouse.wheel(0, -100)
    expect(page.get_by_text("Click the map, or hold Ctrl, to zoom with the wheel.")).to_be_visible()
    button.click()
    canvas.focus()
    page.mouse.wheel(0, 2000)
    expect(button).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_on_a_phone_the_listing_pointed_at_has_its_room(page, drawn):
    open_map(page)
    before = page.locator(".vibe-map .stage").bounding_box()["height"]
    assert before > 200
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    beside = page.get_by_role("region", name="The listing pointed at")
    way = beside.get_by_role("link", name="What is like it")
    expect(way).to_be_visible()
    assert page.locator(".vibe-map .stage").bounding_box()["height"] == before
    seen, link = beside.bounding_box(), way.bounding_box()
    assert link["y"] + link["height"] <= seen["y"] + seen["height"]  # beside its photo, without scrolling
    legend = page.locator(".vibe-map .legend")
    assert legend.evaluate("one => one.scrollHeight <= one.clientHeight + 1")  # no row is hidden


@pytest.mark.slow
def test_a_map_that_is_not_drawn_yet_shows_the_progress_and_then_itself(page, explorer, tmp_path):
    for name in ("run", "market"):
        shutil.copytree(explorer.run.parent / name, tmp_path / name)
    (tmp_path / "run" / "map.parquet").unlink(missing_ok=True)
    with serving(tmp_path / "run", tmp_path) as fresh:
        page.goto(f"{fresh.url}/map?space=model")
        expect(page.get_by_text(re.compile("^Drawing the map: "))).to_be_visible(timeout=DRAWING)
        expect(page.get_by_text("You may leave this page")).to_be_visible(timeout=DRAWING)
        expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", "24", timeout=DRAWING)
        expect(page.get_by_text("Drawing the map")).to_have_count(0, timeout=DRAWING)
        page.goto("about:blank")  # before its server ends


@pytest.fixture(scope="module")
def short(chromium, tmp_path_factory):
    """An explorer over ninety homes of which those of one look are no longer active."""
    folder = tmp_path_factory.mktemp("short")
    with serving(short_run(folder), folder) as found:
        yield found


@WIDE_AND_PHONE
def test_the_days_by_mouse_and_keyboard(page, short):
    run = Run.open(short.run)
    days, known = MarketDays.of(run.log, run.catalogue), run.index("photos").known
    open_map(page, f"{short.url}/map?day=2024-03-05")
    status = page.locator(".vibe-map .status")
    active, events = days.live(4)[known].sum(), (days.touched(4)[known] > 0).sum()
    expect(status).to_have_text(f"5 Mar 2024: {active} of 89 listings active, {events} with events that day.")
    assert_whole(page)
    page.get_by_role("slider", name="Day").focus()
    page.keyboard.press("ArrowRight")
    expect(status).to_have_text(re.compile(f"6 Mar 2024: {days.live(5)[known].sum()} of 89"))
    page.wait_for_url("**day=2024-03-06**")
    page.get_by_role("button", name="All days", exact=True).click()
    page.wait_for_url(re.compile(r"/map$"))
    expect(status).to_have_text("")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    last = len(days) - 1
    page.wait_for_url(f"**day={days.date(last)}**")  # it ends at the last day, and the link has it
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.reload()
    expect(page.locator(".vibe-map")).to_have_attribute("data-day", str(last))


@WIDE_AND_PHONE
def test_a_region_of_unmet_demand_and_a_users_list_on_a_day(page, short):
    open_map(page, f"{short.url}/map")
    page.get_by_text("Where demand is unmet").first.click()
    page.wait_for_url("**unmet=1**")
    expect(page.get_by_text("users want this", exact=False).first).to_be_visible()
    wait_until_quiet(page)
    page.get_by_role("button", name="Mark on the map").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**place=1**")
    expect(page.get_by_role("button", name="Show all", exact=True)).to_be_visible()
    wait_until_quiet(page)
    found = troubles(page, "light")
    turn(page, "dark")
    found += troubles(page, "dark", runOnly={"type": "rule", "values": ["color-contrast"]})
    assert not found, "\n".join(found)
    page.get_by_role("button", name="Show all", exact=True).click()
    page.wait_for_url(re.compile(r"unmet=1$"))
    page.goto(f"{short.url}/users?user=u1&at=3")
    wait_until_quiet(page)
    page.get_by_role("radio", name="A day").click()
    page.wait_for_url("**day=2024-03-04**")
    expect(page.get_by_text("morning of 4 Mar 2024", exact=False)).to_be_visible()
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**day=2024-03-05**")
    expect(page.get_by_text("morning of 5 Mar 2024", exact=False)).to_be_visible()
