"""The time machine and the layer of unmet demand, by mouse and by keyboard, wide and on a phone."""

import re

import pytest
from playwright.sync_api import expect

from browser.conftest import WIDE_AND_PHONE, serving
from browser.mapped import short_run
from browser.seeing import assert_whole, turn, wait_until_quiet
from browser.test_axe import troubles
from listing_vibes import Run
from listing_vibes.insight.days import MarketDays
from listing_vibes.widgets.scripts import WEB, read


@pytest.fixture(scope="module")
def short(chromium, tmp_path_factory):
    """An explorer over ninety homes of which those of one look are no longer live."""
    folder = tmp_path_factory.mktemp("short")
    with serving(short_run(folder), folder) as found:
        yield found


def open_map(page, url):
    page.goto(url)
    expect(page.locator(".vibe-map")).to_have_attribute("data-drawn", re.compile("[0-9]+"))
    wait_until_quiet(page)


@WIDE_AND_PHONE
def test_the_days_by_mouse_and_keyboard(page, short):
    run = Run.open(short.run)
    days = MarketDays.of(run.log, run.catalogue)
    known = run.index("photos").known
    open_map(page, f"{short.url}/map?day=2024-03-05")
    told = page.locator(".vibe-map .told")
    live, touched = days.live(4)[known].sum(), (days.touched(4)[known] > 0).sum()
    expect(told).to_have_text(f"5 Mar 2024: {live} of 89 listings live, {touched} touched that day.")
    assert_whole(page)

    slider = page.get_by_role("slider", name="Day")
    slider.focus()
    page.keyboard.press("ArrowRight")
    live = days.live(5)[known].sum()
    expect(told).to_have_text(re.compile(f"6 Mar 2024: {live} of 89"))
    page.wait_for_url("**day=2024-03-06**")
    page.get_by_role("button", name="All days", exact=True).click()
    page.wait_for_url(re.compile(r"/map$"))
    expect(told).to_have_text("")

    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    last = len(days) - 1
    page.wait_for_url(f"**day={days.date(last)}**")  # it ends at the last day, and the link has it
    expect(page.locator(".vibe-map")).to_have_attribute("data-day", str(last))
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.reload()
    expect(page.locator(".vibe-map")).to_have_attribute("data-day", str(last))


@WIDE_AND_PHONE
def test_a_place_where_demand_is_unmet_is_marked_on_the_map(page, short):
    open_map(page, f"{short.url}/map")
    page.get_by_text("Where demand is unmet").first.click()
    page.wait_for_url("**unmet=1**")
    expect(page.get_by_role("heading", name="Where demand is unmet")).to_be_visible()
    expect(page.get_by_text("users wish for this", exact=False).first).to_be_visible()
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


@WIDE_AND_PHONE
def test_a_users_list_on_a_day(page, short):
    page.goto(f"{short.url}/users?user=u1&at=3")
    wait_until_quiet(page)
    page.get_by_role("radio", name="A day").click()
    page.wait_for_url("**day=2024-03-04**")
    expect(page.get_by_text("on the morning of 4 Mar 2024", exact=False)).to_be_visible()
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**day=2024-03-05**")
    expect(page.get_by_text("on the morning of 5 Mar 2024", exact=False)).to_be_visible()
    wait_until_quiet(page)


#: The days alone on an empty page: `goTo` moves the slider, `drawn` brings what a page that is drawn says, `sent` is what was told.
DAYS = """async (code) => {
  document.body.innerHTML = '<div id="host"><div class="time"></div><p class="told"></p></div>'
  const names = "export { buildDays, loadDays, draw }; function draw() {}"
  const { buildDays, loadDays } = await import(URL.createObjectURL(new Blob([code + names], { type: "text/javascript" })))
  const host = document.getElementById("host")
  const days = (at) => ({ address: "/days/{day}", first: 19000, count: 30, at })
  const map = { host, n: 2, told: host.querySelector(".told"), data: { days: days(null) } }
  map.source = { bytes: async () => new Uint8Array([128, 0]).buffer }
  window.sent = []
  map.send = (_, day) => window.sent.push(day)
  buildDays(map)
  window.drawn = (at) => loadDays(map, (map.data = { days: days(at) }))
  await window.drawn(null)
}"""


def test_a_click_is_not_lost_to_the_page_that_is_drawn_for_the_day_before(chromium):
    page = chromium.new_page()
    page.evaluate(DAYS, read("js", [WEB / "shared", WEB / "map_days"]))
    slider, date = page.get_by_role("slider", name="Day"), page.locator(".date")
    slider.fill("5")
    page.wait_for_function("() => window.sent.length === 1")
    page.get_by_role("button", name="All days").click()
    page.evaluate("() => window.drawn(5)")  # the page of that day comes only now
    expect(date).to_have_text("All days")
    page.wait_for_function("() => window.sent.length === 2")
    assert page.evaluate("window.sent") == [5, -1]
    page.evaluate("() => window.drawn(null)")
    expect(date).to_have_text("All days")
    page.evaluate("() => window.drawn(7)")  # a link to another day leads there
    expect(date).not_to_have_text("All days")
    page.close()
