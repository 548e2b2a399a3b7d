"""Every page in both themes, wide and on a phone: axe finds nothing, nothing is too wide; charts, lists, and comparing."""

import re

import pytest
from playwright.sync_api import expect

from browser.mapped import write_map
from browser.measured import forget_measured, write_measured
from browser.seeing import assert_whole, troubles, turn, wait_until_quiet
from listing_vibes.insight.home import home_evidence
from listing_vibes.run.run import Run

PATHS = [
    "/",
    "/?details=1",
    "/similar",
    "/similar?listing=l05",
    "/similar?listing=l05&view=lineup",
    "/similar?listing=l05&view=spaces",
    "/similar?by=photo",
    "/similar?listing=nobody",
    "/similar?listing=l05&k=6&dial=more rustic 3 model %2Bl06 -l07",
    "/users",
    "/users?user=u1&with=recency",
    "/users?user=u1&day=2024-03-05",
    "/simulate",
    "/simulate?h=l05,l06*view*30&h2=l07&two=1",
    "/map?group=0",
    "/map?region=1,1;2,1;2,2&by=price",
    "/map?unmet=1&day=2024-03-04",
    "/cold?view=listings",
    "/cold?listing=l08",
    "/cold?view=new",
    '/cold?view=new&draft={"price":90,"amenities":["Wifi"]}',
    "/cold?view=figures",
    "/compare",
    "/compare?part=runs&listing=l05",
    "/compare?part=queries",
    "/compare?part=ablation",
    "/compare?part=photos",
]


@pytest.fixture(scope="module")
def filled(explorer):
    """A run with a map, figures, an ablation and ranks, so that no page is empty."""
    write_map(explorer.run)
    yield write_measured(explorer.run)
    forget_measured(explorer.run)
    (explorer.run / "map.parquet").unlink()


@pytest.mark.parametrize("path", PATHS)
def test_axe_finds_nothing_and_nothing_is_too_wide(page, filled, path):
    page.goto(path)
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    found = troubles(page, f"{path} light")
    page.set_viewport_size({"width": 390, "height": 844})
    found += troubles(page, f"{path} on a phone")
    wait_until_quiet(page)
    width = "main => Math.max(main.scrollWidth, document.body.scrollWidth)"
    assert page.get_by_test_id("stMain").evaluate(width) <= 390
    turn(page, "dark")
    ground = page.get_by_test_id("stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    assert ground == "rgb(20, 25, 27)"
    found += troubles(page, f"{path} dark", runOnly={"type": "rule", "values": ["color-contrast"]})
    assert not found, "\n".join(found)


def test_home_is_light_and_its_items_are_links(page, explorer, filled):
    responses = []
    page.on("response", lambda response: responses.append(response))
    page.goto("/")
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    items = page.locator("section.evidence")
    expect(items).to_have_count(len(home_evidence(Run.open(explorer.run))))
    assert not [one.url for one in responses if "DataFrame" in one.url]
    assert sum(int(one.headers.get("content-length", 0)) for one in responses) < 4_000_000
    items.nth(1).get_by_role("heading").get_by_role("link").click()
    expect(items).to_have_count(1)
    expect(page).to_have_url(f"{explorer.url}/?part=similar")
    items.get_by_role("link", name="Why are they alike?").click()
    page.wait_for_url("**/similar?listing=*")


def test_bars_have_values_and_an_interval_that_is_seen_in_both_themes(page, explorer, filled):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/compare?part=ablation")
    for theme in ("light", "dark"):
        turn(page, theme)
        page.reload()
        wait_until_quiet(page)
        row = page.locator(".bars li", has=page.locator(".interval")).first
        expect(row.locator("strong")).to_have_text(re.compile(r"^\d+%$"))
        ground, ink = (
            row.locator(name).evaluate("node => getComputedStyle(node).backgroundColor")
            for name in (".bar", ".interval")
        )
        edge = row.locator(".interval").evaluate("node => getComputedStyle(node).boxShadow")
        assert ground != ink and edge != "none"  # the line on the bar has an edge in the color of the page
    hosts = {url.split("/")[2] for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {explorer.url.split("/")[2]}


def test_from_the_ablation_to_a_user(page, explorer, filled):
    page.goto("/compare?part=ablation")
    expect(page.get_by_text("Of 40 test queries.")).to_be_visible()
    expect(page.locator(".bars li").first).to_be_visible()
    assert_whole(page)
    page.get_by_role("radio", name="Where they differ").click()
    user = filled["user_id"].iloc[0]
    link = page.get_by_test_id("stMain").get_by_role("link", name=f"User {user}")
    expect(link).to_have_count(1)
    expect(page.get_by_text("9th").first).to_be_visible()
    assert_whole(page)
    link.click()
    expect(page.get_by_role("heading", name=f"User {user}")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/users?user={user}&at=8")
    page.go_back()
    expect(page.get_by_role("heading", name="Our model was better")).to_be_visible()
