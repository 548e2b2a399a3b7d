"""A vibe dial by keyboard and by mouse, and the list as code, wide and on a phone."""

from browser.conftest import WIDE_AND_PHONE
from browser.seeing import assert_listings, assert_whole, wait_until_quiet
from browser.test_axe import troubles
from playwright.sync_api import expect

from core import Run, selection


@WIDE_AND_PHONE
def test_a_dial_is_made_and_dragged_and_the_list_says_itself_as_code(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    near = page.get_by_role("list", name="6 neighbours by model, the most alike first")
    plain = run.similar("l05", 6)["listing_id"].tolist()
    assert_listings(near, plain)
    page.get_by_role("button", name="Vibe dial").press("Enter")
    page.get_by_label("What to call it").fill("more rustic")
    more = page.get_by_role("combobox", name="More like these")
    more.fill("6.")
    more.press("Enter")
    page.keyboard.press("Escape")
    wait_until_quiet(page)
    if not page.get_by_role("button", name="Make the dial").is_visible():
        page.get_by_role("button", name="Vibe dial").click()
    page.get_by_role("button", name="Make the dial").click()
    slider = page.get_by_role("slider", name="More rustic")
    expect(slider).to_have_value("1")
    wait_until_quiet(page)
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&k=6&dial=more+rustic+3+model+%2B{plain[5]}")
    wait_until_quiet(page)
    moved = selection(run, page.url)["listing_id"].tolist()
    assert moved != plain
    assert_listings(near, moved)
    page.get_by_text("As code").click()
    expect(page.get_by_text("--dial")).to_be_visible()
    assert_whole(page, arrived=False)
    assert not troubles(page, "a dial and code")
    page.get_by_role("button", name="Without more rustic").click()
    wait_until_quiet(page)
    assert_listings(near, plain)
