"""A cold listing as a person checks it: one of the market, and a draft with an uploaded photo and a dragged price."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from browser import painted
from browser.conftest import Explorer, serving
from browser.seeing import (
    assert_listings,
    assert_photos,
    assert_whole,
    row_of,
    troubles,
    wait_for,
    wait_until_quiet,
)
from listing_vibes import Run, search_photos
from listing_vibes.features.photos.photo_encoder import load_photo_encoder
from listing_vibes.features.photos.photo_vectors import embed_photos
from listing_vibes.insight.audience import audience_share, recent_lists
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.newcomers import Newcomers

LISTINGS, PHOTOS = 12, 1


@pytest.fixture(scope="module")
def explorer(chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """A run whose photos went through the packaged encoder, so that an uploaded one can; l08 has no event."""
    folder = tmp_path_factory.mktemp("cold")
    market = Market.open(painted.paint_market(folder / "market", listings=LISTINGS, photos=PHOTOS))
    events = market.events[market.events["listing_id"] != "l08"]
    write_market(folder / "market", market.config, market.listings, market.photos, events)
    encoder = load_photo_encoder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painted, "vectors", lambda given: embed_photos(given.path, given.photos, encoder))
        run = painted.train_run(folder / "market", folder / "run")
    with serving(run, folder) as explorer:
        yield explorer


def draft_of(page):
    return json.loads(dict(parse_qsl(urlsplit(page.url).query))["draft"])


def test_from_the_overview_to_a_new_listing_with_a_photo(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/cold?view=listings")
    cold = page.get_by_role("list", name="Cold listings to choose from")
    assert_listings(cold, ["l08"])
    cold.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Home 8 by the *old* harbour")).to_be_visible()
    near = page.get_by_role("list", name="11 listings by model, the most alike first")
    assert_listings(near, run.similar("l08")["listing_id"].tolist())
    lists, population = recent_lists(run)
    first = lists[lists["listing_id"] == "l08"]
    expect(page.get_by_text(f"{audience_share(population.share(len(first)))} have it")).to_be_visible()
    assert_whole(page)

    page.get_by_role("button", name="Change its values").click()
    page.wait_for_url("**/cold?view=new**")
    wait_until_quiet(page)
    photo = run.market.path / "photos" / "l03_0.png"
    page.locator('input[type="file"]').set_input_files(photo)
    expect(page.get_by_text("l03_0.png")).to_be_visible()
    # No file that a run of the page that is broken off takes with it.
    uploaded = page.get_by_alt_text("Photo 1 of the listing")
    expect(uploaded).to_have_attribute("src", re.compile("^data:image/webp"))
    wait_until_quiet(page)
    page.get_by_label("Title").fill("A new home")
    page.get_by_label("Title").press("Enter")
    expect(page.get_by_role("heading", name="A new home")).to_be_visible()
    wait_until_quiet(page)
    page.get_by_role("radio", name="Photos").click()
    near = page.get_by_role("list", name="11 listings by photos, the most alike first")
    cells = {"title": "A new home", "room_type": "Shared room", "price": 160, "amenities": ["Wifi"]}
    found = Newcomers(run).encode(cells | {"built_year": 1998}, [photo.read_bytes()])
    expected = run.nearest(found.scores["photos"])["listing_id"].tolist()
    assert_listings(near, expected)
    painted_covers = [(row_of(one), 0) for one in expected if row_of(one) < LISTINGS - 1]
    assert_photos(page, near, painted_covers, PHOTOS)
    assert_whole(page)
    page.get_by_role("radio", name="Model").click()
    near = page.get_by_role("list", name="12 listings by model, the most alike first")
    assert_listings(near, run.nearest(found.scores["model"])["listing_id"].tolist())
    page.reload()
    expect(page.get_by_label("Title")).to_have_value("A new home")


def test_a_photo_alone_finds_listings(page, explorer):
    run = Run.open(explorer.run)
    photo = run.market.path / "photos" / "l03_0.png"
    page.goto("/similar?by=photo")
    page.locator('input[type="file"]').set_input_files(photo)
    found = search_photos(run, photo=photo, k=len(run.listing_ids))
    near = page.get_by_role("list", name="Listings that look most like the photo")
    assert_listings(near, found["listing_id"].tolist())
    assert not troubles(page, "listings like a photo")


def test_the_point_on_the_curve_of_prices_is_dragged_and_moved_by_keys(page, explorer):
    page.goto("/cold?view=new&like=l03")
    point = page.get_by_role("slider", name="Price per night of the draft")
    expect(point).to_be_visible()
    wait_until_quiet(page)
    dearest, plot = int(point.get_attribute("aria-valuemax")), page.locator(".plot").bounding_box()
    page.mouse.move(*_middle(point.bounding_box()))
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"], plot["y"], steps=5)
    expect(point).to_have_attribute("aria-valuenow", str(dearest))
    assert "draft=" not in page.url  # until it is released
    page.mouse.up()
    page.wait_for_url("**draft=**")
    dragged = draft_of(page)["price"]
    expect(page.get_by_role("spinbutton", name="Price per night (EUR)")).to_have_value(f"{dragged:.0f}")
    wait_until_quiet(page)
    point.focus()
    page.keyboard.press("ArrowLeft")
    cheaper = "(before) => JSON.parse(new URLSearchParams(location.search).get('draft')).price < before"
    wait_for(page, cheaper, dragged)
    assert_whole(page)


def _middle(box):
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_field_that_a_browser_draws_late_keeps_its_value(page, explorer):
    waiting = []
    page.route(re.compile(r"/static/js/NumberInput\."), lambda route: waiting.append(route))
    page.goto("/cold?view=new&like=l03")
    for title in ("A first home", "A second home"):  # the form is drawn again without its fields of numbers
        page.get_by_label("Title").fill(title)
        page.get_by_label("Title").press("Enter")
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert waiting
    for route in waiting:
        route.continue_()
    known = Run.open(explorer.run).market.listings.iloc[3]
    price = page.get_by_role("spinbutton", name="Price per night (EUR)")
    expect(price).to_have_value(f"{known['price']:.0f}")
    page.get_by_label("Title").fill("A third home")
    page.get_by_label("Title").press("Enter")
    expect(page.get_by_role("heading", name="A third home")).to_be_visible()
    assert (draft_of(page)["price"], draft_of(page)["built_year"]) == (known["price"], known["built_year"])
