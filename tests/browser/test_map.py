"""The vibe map as a person uses it: pointing, drawing around some listings, taking them home as a file."""

import csv
import io
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect

from browser.conftest import PHOTOS, serving
from browser.mapped import write_map
from browser.painted import colour_of
from browser.seeing import assert_listings, assert_photos, wait_until_quiet
from browser.test_sizes import PHONE
from listing_vibes.insight.map.region import SIZE, grid_places, inside, read_outline

DRAWING = 180_000  # milliseconds that a busy machine may take to draw a small map
MARGIN = 0.94  # of the shorter side that the map takes


@pytest.fixture(scope="module")
def drawn(explorer):
    """The map of the explorer's run, and the places of the space model on the grid."""
    frame = write_map(explorer.run)
    frame = frame[frame["space"] == "model"].reset_index(drop=True)
    yield frame, grid_places(frame[["x", "y"]].to_numpy())
    (explorer.run / "map.parquet").unlink()


def open_map(page, path="/map?space=model"):
    page.goto(path)
    expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", "24")
    wait_until_quiet(page)


def on_screen(page, x, y):
    box = page.locator(".vibe-map canvas").bounding_box()
    unit = min(box["width"], box["height"]) * MARGIN / SIZE
    return (
        box["x"] + box["width"] / 2 + (x - SIZE / 2) * unit,
        box["y"] + box["height"] / 2 - (y - SIZE / 2) * unit,
    )


def draw_around(page, corners):
    page.mouse.move(*on_screen(page, *corners[0]))
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*on_screen(page, *corner), steps=8)
    page.mouse.up()


def test_from_pointing_to_a_file_of_exactly_those_inside(page, drawn, explorer):
    frame, places = drawn
    page.set_viewport_size({"width": 1440, "height": 1200})  # the whole map is in sight
    page.goto("/")
    page.get_by_test_id("stMain").get_by_role("link", name="Vibe map").or_(
        page.get_by_role("link", name="Vibe map")
    ).first.click()
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
    draw_around(page, [(1500, -1200), (20_000, -1200), (20_000, 51_000), (1500, 51_000)])
    page.wait_for_url("**region=**")
    region = (
        pd.Series(page.url.split("region=")[1].split("&")[0])
        .str.replace("%2C", ",")
        .str.replace("%3B", ";")[0]
    )
    chosen = frame["listing_id"][inside(places, read_outline(region))].tolist()
    assert 0 < len(chosen) < 24
    expect(page.get_by_text(f"{len(chosen)} listings", exact=False).first).to_be_visible()
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
    assert_listings(page.get_by_role("list", name="Listings of the region"), chosen)
    page.get_by_role("button", name="Show all listings").click()
    expect(page.get_by_role("list", name="Listings of the region")).to_have_count(0)
    expect(page).to_have_url(f"{explorer.url}/map?space=model")


def test_the_keyboard_walks_chooses_and_opens(page, drawn):
    open_map(page)
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    told = page.get_by_role("status").filter(has_text="Home")
    expect(told).to_be_visible()
    first = told.inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("status").filter(has_text="Home")).not_to_have_text(first)
    title = page.get_by_role("region", name="The listing pointed at").locator(".title").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    page.go_back()
    open_map(page)
    page.get_by_role("button", name="Choose what is in sight").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**region=**")
    expect(page.get_by_text("All listings are in this region")).to_be_visible()


def test_a_group_is_looked_at_from_its_mosaic(page, drawn):
    open_map(page)
    page.get_by_role("button", name="Look at it").nth(1).click()
    page.wait_for_url("**group=1**")
    expect(page.get_by_role("list", name="Listings of the region").locator("a")).to_have_count(11)


def test_who_has_zoomed_in_sees_photos_instead_of_dots(page, drawn, explorer):
    page.set_viewport_size({"width": 1440, "height": 1200})  # the whole map is in sight
    page.goto("/map")
    card = page.locator(".vibe-map")
    expect(card).to_have_attribute("data-drawn", "23")  # one listing has no photo
    wait_until_quiet(page)
    expect(card).to_have_attribute("data-photos", "0")  # the whole map is of dots
    page.get_by_role("button", name="Photos", exact=True).click()  # off: no photo however near
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(300)
    expect(card).to_have_attribute("data-photos", "0")
    page.get_by_role("button", name="Photos", exact=True).click()
    expect(card).not_to_have_attribute("data-photos", "0")
    page.get_by_role("button", name="Whole map").click()
    expect(card).to_have_attribute("data-photos", "0")
    # A listing in the middle of the sight: its photo is painted there, and pointing at it tells of it.
    frame = pd.read_parquet(explorer.run / "map.parquet")
    frame = frame[frame["space"] == "photos"].reset_index(drop=True)
    places = grid_places(frame[["x", "y"]].to_numpy())
    box = page.locator(".vibe-map canvas").bounding_box()
    span = 2 * abs(places.astype(float) - SIZE / 2).max(axis=0)
    unit = min(box["width"] / span[0], box["height"] / span[1]) * MARGIN
    row = int(np.argmin(((places - SIZE / 2.0) ** 2).sum(axis=1)))
    at = [
        box["x"] + box["width"] / 2 + (places[row, 0] - SIZE / 2) * unit,
        box["y"] + box["height"] / 2 - (places[row, 1] - SIZE / 2) * unit,
    ]
    page.locator(".vibe-map canvas").focus()
    page.mouse.move(*at)
    for _ in range(5):
        page.mouse.wheel(0, -100)
    expect(card).not_to_have_attribute("data-photos", "0")
    page.mouse.move(at[0] + 1, at[1])
    title = page.get_by_role("region", name="The listing pointed at").locator(".title")
    expect(title).to_be_visible()
    number = int(re.match(r"Home (\d+)", title.inner_text()).group(1))
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] - 2)  # nothing covers the photo
    expected = colour_of(number, 0, PHOTOS)

    def painted():
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            seen = [
                shot.convert("RGB").getpixel((round(at[0]) + right, round(at[1]) + down))
                for right in (-24, 0, 24)
                for down in (-24, 0, 24)
            ]
        return any(max(abs(a - b) for a, b in zip(one, expected, strict=True)) < 16 for one in seen)

    assert painted() or (page.wait_for_timeout(1000), painted())[1]


def test_a_flat_map_fills_its_frame(page, drawn, explorer):
    file = explorer.run / "map.parquet"
    kept, flat = file.read_bytes(), pd.read_parquet(file)
    flat["y"] /= 20
    flat.to_parquet(file, index=False)
    try:
        open_map(page)
        taken = page.locator(".vibe-map canvas").evaluate(
            """canvas => {
              const { width, height } = canvas
              const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data
              const columns = new Set()
              for (let at = 0; at < width * height; at++) if (pixels[4 * at + 3]) columns.add(at % width)
              return (Math.max(...columns) - Math.min(...columns)) / width
            }"""
        )
    finally:
        file.write_bytes(kept)
    assert 0.9 < taken <= 1


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_on_a_phone_the_legend_has_the_room_of_the_listing_until_one_is_pointed_at(page, drawn):
    open_map(page)
    whole = page.locator(".vibe-map .legend").evaluate(
        """legend => {
          legend.replaceChildren(...Array.from({ length: 9 }, () => {
            const entry = legend.children[0].cloneNode(true)
            entry.querySelector("button span:nth-child(2)").textContent = "A rather long name of a group · “words”"
            return entry
          }))
          const end = legend.getBoundingClientRect().bottom
          return [...legend.children].filter((one) => one.getBoundingClientRect().bottom <= end).length
        }"""
    )
    assert whole in (5, 6)  # the next one is cut
    before = page.locator(".vibe-map .stage").bounding_box()["height"]
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    beside = page.get_by_role("region", name="The listing pointed at")
    way = beside.get_by_role("link", name="What is like it")
    expect(way).to_be_visible()
    assert page.locator(".vibe-map .stage").bounding_box()["height"] == before
    seen, link = beside.bounding_box(), way.bounding_box()
    assert link["y"] + link["height"] <= seen["y"] + seen["height"]  # beside its photo, without scrolling


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_it_fits_a_phone(page, drawn):
    open_map(page, "/map?space=model&group=0")
    width = page.get_by_test_id("stMain").evaluate(
        "main => Math.max(main.scrollWidth, document.body.scrollWidth)"
    )
    assert width <= 390


@pytest.mark.slow
def test_a_map_that_is_not_drawn_yet_says_how_far_it_is_and_then_stands_there(page, explorer, tmp_path):
    for name in ("run", "market"):
        shutil.copytree(explorer.run.parent / name, tmp_path / name)
    (tmp_path / "run" / "map.parquet").unlink(missing_ok=True)
    with serving(tmp_path / "run", tmp_path) as fresh:
        page.goto(f"{fresh.url}/map?space=model")
        status = page.get_by_text(re.compile(r"^Drawing the map: .*, about \d+ (s|min) left$"))
        expect(status).to_be_visible(timeout=DRAWING)
        step = page.get_by_test_id("stProgress").get_by_text(
            re.compile(r"^(Comparing|Joining|Placing) .* by model$")
        )
        expect(step).to_be_visible(timeout=DRAWING)
        expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", "24", timeout=DRAWING)
        expect(page.get_by_text("Drawing the map")).to_have_count(0, timeout=DRAWING)
