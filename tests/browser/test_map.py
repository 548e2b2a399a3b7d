"""The vibe map as a person uses it: pointing, drawing around, photos close up, days, and unmet demand."""

import csv
import io
import re
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from browser.conftest import PHOTOS, WIDE_AND_PHONE, serving
from browser.mapped import short_run, write_map
from browser.seeing import assert_photos, assert_whole, troubles, turn, wait_until_quiet
from helpers.once import once
from listing_vibes import Run, demand
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.map.region import SIZE, grid_places, inside, read_outline
from listing_vibes.insight.map.space_map import load_maps

EDGE = 36  # pixels beside the map
REACH = round(SIZE / 2 * 10 / 11.5), SIZE // 2  # of the positions of `write_map` from the middle


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
    expect(page.locator(".facet").first).to_be_visible()
    wait_until_quiet(page)


def on_screen(page, x, y):
    box = page.locator(".vibe-map canvas").bounding_box()
    sides = box["width"], box["height"]
    unit = min((room / 2 - EDGE) / far for room, far in zip(sides, REACH, strict=True))
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return middle[0] + (x - SIZE / 2) * unit, middle[1] - (y - SIZE / 2) * unit


def shots(page, expected):
    """The gallery beside the map has these listings in this order."""
    for number, listing in enumerate(expected):
        link = page.locator(".shots a").nth(number)
        expect(link).to_have_attribute("href", re.compile(rf"[?&]listing={listing}(&|$)"))
    expect(page.locator(".shots a")).to_have_count(len(expected))


def test_from_a_line_over_a_brush_to_a_file_of_exactly_those_listings(page, drawn, explorer):
    frame, places = drawn
    page.goto("/")
    page.get_by_role("link", name="Vibe map").first.click()
    # It opens on the photos, which one listing does not have, and shows them at once.
    expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", "23")
    expect(page.locator(".vibe-map")).not_to_have_attribute("data-photos", "0")
    page.get_by_role("radio", name="Model").click()
    expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", "24")
    wait_until_quiet(page)
    bottom = page.locator(".facets").bounding_box()
    assert bottom["y"] + bottom["height"] <= 900  # the whole workbench is in sight
    page.get_by_role("button", name="Photos", exact=True).click()
    page.mouse.move(*on_screen(page, *places[4]))
    pointed = page.get_by_role("region", name="The listing pointed at")
    expect(pointed.get_by_text("Home 4 by the *old* harbour")).to_be_visible()
    assert_photos(page, pointed, [(4, 0)], PHOTOS)

    page.get_by_role("button", name="Draw a region").click()
    corners = [(1500, -1200), (20_000, -1200), (20_000, 51_000), (1500, 51_000)]
    page.mouse.move(*on_screen(page, *corners[0]))
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*on_screen(page, *corner), steps=8)
    page.mouse.up()
    page.wait_for_url("**region=**")
    region = parse_qs(urlsplit(page.url).query)["region"][0]
    inside_it = inside(places, read_outline(region))
    chosen = frame["listing_id"][inside_it].tolist()
    assert 0 < len(chosen) < 24
    shots(page, chosen)
    # Brushing a histogram leaves those of both; the link, the files and the Python have the same listings.
    page.get_by_label("Price per night, from").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_url("**where=**")
    prices = Run.open(explorer.run).market.listings.set_index("listing_id")["price"]
    least = float(parse_qs(urlsplit(page.url).query)["where"][0].split("%3E%3D")[1])
    narrowed = [listing for listing in chosen if prices[listing] >= least]
    assert 0 < len(narrowed) < len(chosen)
    shots(page, narrowed)
    wait_until_quiet(page)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="These rows as CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert [row["listing_id"] for row in rows] == narrowed
    with page.expect_download() as download:
        page.get_by_role("button", name="These rows as Parquet").click()
    assert pd.read_parquet(download.value.path())["listing_id"].tolist() == narrowed
    scope = {}
    exec(page.get_by_test_id("stCode").first.inner_text(), scope)
    assert scope["result"]["listing_id"].tolist() == narrowed
    page.keyboard.press("Escape")
    page.route(re.compile("/codes"), lambda route: (time.sleep(1), route.continue_()))  # histograms come late
    page.reload()
    shots(page, narrowed)
    page.go_back()  # before the brush
    shots(page, chosen)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator(".shots a")).to_have_count(0)
    page.wait_for_url(f"{explorer.url}/map?space=model")


def test_a_group_is_looked_at_and_named(page, drawn, explorer):
    open_map(page, "/map")
    page.locator(".list .row").nth(1).click()
    page.wait_for_url("**group=1**")
    expect(page.locator(".shots a")).to_have_count(11)
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the group").fill("Harbour <b>views</b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Harbour <b>views</b>")).to_be_visible()
    assert load_maps(Run.open(explorer.run))["photos"].names[1] == "Harbour <b>views</b>"
    page.reload()
    expect(page.get_by_role("heading", name="Harbour <b>views</b>")).to_be_visible()
    (explorer.run / "group_names.json").unlink()


def test_the_keyboard_walks_chooses_and_opens(page, drawn):
    open_map(page)
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    title_line = page.get_by_role("region", name="The listing pointed at").locator(".title")
    first = title_line.inner_text()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    expect(title_line).not_to_have_text(first)
    title = title_line.inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    page.go_back()
    open_map(page)
    page.get_by_role("button", name="Select what is in view").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**region=**")
    expect(page.locator(".vibe-map")).to_have_attribute("data-selected", "24")


@WIDE_AND_PHONE
def test_photos_stand_within_the_frame_and_hiding_them_changes_no_position(page, drawn):
    open_map(page)
    canvas, card = page.locator(".vibe-map canvas"), page.locator(".vibe-map")
    expect(card).not_to_have_attribute("data-photos", "0")
    tools, frame = page.get_by_role("toolbar", name="Map tools").bounding_box(), canvas.bounding_box()
    assert tools["y"] + tools["height"] <= frame["y"]
    page.mouse.move(0, 0)
    pixels = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"))
    pixels = pixels[2:-2, 2:-2]  # within the border
    edges = [pixels[:6, 9:-9], pixels[-6:, 9:-9], pixels[9:-9, :6], pixels[9:-9, -6:]]
    assert len({tuple(color) for edge in edges for color in edge.reshape(-1, 3)}) == 1
    _, places = drawn
    pointed = page.get_by_role("region", name="The listing pointed at")
    for _ in range(2):  # with photos and without them
        page.mouse.move(*on_screen(page, *places[4]))
        expect(pointed).to_be_visible()
        page.mouse.move(0, 0)
        expect(pointed).to_be_hidden()
        page.get_by_role("button", name="Photos", exact=True).click()


def test_the_button_photos_is_pressed_while_photos_are_shown_and_the_wheel_zooms(page, drawn):
    open_map(page, "/map")
    card, photos = page.locator(".vibe-map"), page.get_by_role("button", name="Photos", exact=True)
    expect(card).not_to_have_attribute("data-photos", "0")
    expect(photos).to_have_attribute("aria-pressed", "true")
    photos.click()
    expect(card).to_have_attribute("data-photos", "0")
    expect(photos).to_have_attribute("aria-pressed", "false")
    photos.click()
    expect(card).not_to_have_attribute("data-photos", "0")
    before = int(card.get_attribute("data-photos"))
    page.locator(".vibe-map canvas").hover(position={"x": 30, "y": 300})
    for _ in range(8):
        page.mouse.wheel(0, -400)
    expect(card).not_to_have_attribute("data-photos", str(before))
    found = troubles(page, "light")
    turn(page, "dark")
    found += troubles(page, "dark", runOnly={"type": "rule", "values": ["color-contrast"]})
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_on_a_phone_the_listing_pointed_at_has_its_room(page, drawn):
    open_map(page)
    before = page.locator(".vibe-map .stage").bounding_box()["height"]
    assert before > 300
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    pointed = page.get_by_role("region", name="The listing pointed at")
    way = pointed.get_by_role("link", name="What is like it")
    expect(way).to_be_visible()
    assert page.locator(".vibe-map .stage").bounding_box()["height"] == before
    seen, link = pointed.bounding_box(), way.bounding_box()
    assert link["y"] + link["height"] <= seen["y"] + seen["height"]  # beside its photo, without scrolling


@pytest.fixture(scope="module")
def short(chromium, tmp_path_factory):
    """An explorer over ninety homes of which those of one look are no longer active."""
    run = once(tmp_path_factory, "short", short_run) / "run"
    with serving(run, tmp_path_factory.mktemp("short")) as found:
        yield found


def test_the_days_by_mouse_and_keyboard(page, short):
    run = Run.open(short.run)
    days, known = MarketDays.of(run.log, run.catalogue), run.index("photos").known
    open_map(page, f"{short.url}/map?day=2024-03-05")
    line = page.locator(".vibe-map .head .hint")
    expect(page.get_by_role("button", name="Remove 5 Mar 2024")).to_be_visible()
    expect(line).to_contain_text(f"{days.live(4)[known].sum()} of 89 listings")
    assert_whole(page)
    page.get_by_role("slider", name="Day").focus()
    page.keyboard.press("ArrowRight")
    expect(line).to_contain_text(f"{days.live(5)[known].sum()} of 89 listings")
    page.wait_for_url("**day=2024-03-06**")
    page.get_by_role("button", name="Remove 6 Mar 2024").click()
    page.wait_for_url(re.compile(r"/map$"))
    expect(page.locator(".vibe-map")).to_have_attribute("data-selected", "")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    last = len(days) - 1
    page.wait_for_url(f"**day={days.date(last)}**")  # it ends at the last day, and the link has it
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.reload()
    expect(page.locator(".vibe-map")).to_have_attribute("data-day", str(last))


def test_a_region_of_unmet_demand(page, short):
    open_map(page, f"{short.url}/map")
    page.get_by_role("button", name="Unmet demand").click()
    page.wait_for_url("**unmet=1**")
    region = page.locator(".list .row").filter(has_text="users want this").first
    region.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**place=1**")
    wanted = demand(Run.open(short.run)).regions[0].wanted
    expect(page.locator(".shots a").first).to_have_attribute("href", re.compile(f"listing={wanted[0]}"))
    wait_until_quiet(page)
    found = troubles(page, "light")
    turn(page, "dark")
    found += troubles(page, "dark", runOnly={"type": "rule", "values": ["color-contrast"]})
    assert not found, "\n".join(found)
    page.get_by_role("button", name="Clear all").click()
    page.wait_for_url(re.compile(r"unmet=1$"))
