"""A cold listing as a person checks it: one of the market, and a new one with an uploaded photo."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from browser import painted
from browser.conftest import WIDE_AND_PHONE, Explorer, serving
from browser.seeing import (
    assert_listings,
    assert_photos,
    assert_whole,
    wait_until_quiet,
)
from browser.test_axe import troubles
from listing_vibes import Run, launch
from listing_vibes.features.photos.tail import load_photo_encoder
from listing_vibes.features.photos.vectors import embed_photos
from listing_vibes.insight.audience import Audience
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.newcomers import Newcomers

LISTINGS, PHOTOS = 12, 1


@pytest.fixture(scope="module")
def explorer(chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """A run whose photos went through the packaged encoder, so that an uploaded one can; nobody touched l08."""
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


def covers(ids):
    return [(int(listing[1:]), 0) for listing in ids if int(listing[1:]) < LISTINGS - 1]


@WIDE_AND_PHONE
def test_from_the_overview_to_a_new_listing_with_a_photo(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/")
    page.get_by_test_id("stMain").get_by_role("link", name="Cold listings").first.click()
    cold = page.get_by_role("list", name="Cold listings to choose from")
    expect(cold).to_be_visible()
    assert_listings(cold, ["l08"])
    assert_whole(page)
    cold.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Home 8 by the *old* harbour")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/cold?listing=l08")
    near = page.get_by_role("list", name="11 neighbours by model, the most alike first")
    expected = run.similar("l08", k=11)["listing_id"].tolist()
    expect(near).to_be_visible()
    assert_listings(near, expected)
    row = run.listing_row["l08"]
    first = Audience.of(run).first(run.vectors("model")[row], row)
    inside = int((first["rank"] <= 30).sum())
    expect(page.get_by_text(f"{inside} of {len(first)} users")).to_be_visible()
    assert_whole(page)

    page.get_by_role("button", name="Change its values").click()
    page.wait_for_url("**/cold?view=new**")
    photo = run.market.path / "photos" / "l03_0.png"
    page.locator('input[type="file"]').set_input_files(photo)
    expect(page.get_by_text("l03_0.png")).to_be_visible()
    # No file that a run of the page that is broken off takes with it.
    expect(page.get_by_alt_text("Photo 1 of the listing")).to_have_attribute(
        "src", re.compile("^data:image/webp")
    )
    page.get_by_label("Title").fill("A new home")
    page.get_by_label("Title").press("Enter")
    expect(page.get_by_role("heading", name="A new home")).to_be_visible()
    wait_until_quiet(page)
    page.get_by_role("radio", name="Photos").click()
    near = page.get_by_role("list", name="11 neighbours by photos, the most alike first")
    expect(near).to_be_visible()
    expect(near.get_by_role("link").first).to_have_attribute("href", "/similar?listing=l03")
    cells = {
        "title": "A new home",
        "room_type": "Shared room",
        "price": 160,
        "amenities": ["Wifi"],
        "built_year": 1998,
    }
    found = Newcomers(run).encode(cells, [photo.read_bytes()])
    assert_listings(near, found.nearest(run, "photos", 12)["listing_id"].tolist())
    assert_photos(page, near, covers(found.nearest(run, "photos", 12)["listing_id"]), PHOTOS)
    assert_whole(page)
    page.get_by_role("radio", name="Model").click()
    near = page.get_by_role("list", name="12 neighbours by model, the most alike first")
    expect(near).to_be_visible()
    assert_listings(near, found.nearest(run, "model", 12)["listing_id"].tolist())
    page.reload()
    expect(page.get_by_label("Title")).to_have_value("A new home")


@WIDE_AND_PHONE
def test_a_listing_on_paper_is_dragged(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/cold?view=new&like=l03")
    wait_until_quiet(page)
    slider = page.get_by_role("slider", name="Price")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**draft=**")
    wait_until_quiet(page)
    draft = json.loads(dict(parse_qsl(urlsplit(page.url).query))["draft"])
    assert draft["price"] > run.market.listings["price"].iloc[3]
    found = launch(run, {**draft, "like": "l03"})
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(
        f"{len(found.audience)} of {found.users} users"
    )
    near = page.get_by_role("list", name=f"{len(found.competitors)} live listings nearest to it")
    assert_listings(near, found.competitors["listing_id"].tolist())
    before = page.url
    page.get_by_role("radio", name="Room type:").click()
    page.wait_for_function("before => location.href !== before", arg=before)
    wait_until_quiet(page)
    assert not troubles(page, "a listing on paper")


def test_what_a_browser_draws_late_keeps_its_value(page, explorer):
    held = []
    page.route(re.compile(r"/static/js/NumberInput\."), lambda route: held.append(route))
    page.goto("/cold?view=new&like=l03")
    for title in ("A first home", "A second home"):  # the form is drawn anew without its fields of numbers
        page.get_by_label("Title").fill(title)
        page.get_by_label("Title").press("Enter")
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert held
    for route in held:
        route.continue_()
    price = page.get_by_role("spinbutton", name="Price per night (EUR)")
    expect(price).to_have_value(f"{Run.open(explorer.run).market.listings['price'].iloc[3]:.0f}")
    page.get_by_label("Title").fill("A third home")
    page.get_by_label("Title").press("Enter")
    expect(page.get_by_role("heading", name="A third home")).to_be_visible()
    draft = json.loads(dict(parse_qsl(urlsplit(page.url).query))["draft"])
    known = Run.open(explorer.run).market.listings.iloc[3]
    assert (draft["price"], draft["built_year"]) == (known["price"], known["built_year"])


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}], indirect=True
)
def test_it_fits_a_phone(page):
    for path in (
        "/cold",
        "/cold?listing=l08",
        "/cold?view=new",
        "/cold?view=new&draft=%7B%22price%22%3A90%7D",
        "/cold?view=figures",
    ):
        page.goto(path)
        wait_until_quiet(page)
        width = page.get_by_test_id("stMain").evaluate(
            "main => Math.max(main.scrollWidth, document.body.scrollWidth)"
        )
        assert width <= 390, path
