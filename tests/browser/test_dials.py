"""Vibe dials by keyboard and by mouse, and the list as code, wide and on a phone."""

from playwright.sync_api import expect

from browser.conftest import WIDE_AND_PHONE
from browser.seeing import assert_listings, assert_whole, troubles, wait_until_quiet
from listing_vibes import Run, selection


def example(page, side: str, row: int):
    """The button that makes a listing an example, of the first card that has one."""
    return page.get_by_role("button", name=f"{side} like Home {row} by", exact=False).first


@WIDE_AND_PHONE
def test_a_dial_is_made_and_dragged_and_the_list_says_itself_as_code(page, explorer):
    run = Run.open(explorer.run)
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    near = page.get_by_role("list", name="6 neighbors by model, the most alike first")
    plain = run.similar("l05", 6)["listing_id"].tolist()
    assert_listings(near, plain)
    page.get_by_role("button", name="Advanced").press("Enter")
    page.get_by_role("button", name="Vibe dial").press("Enter")
    page.keyboard.press("Escape")
    name = page.get_by_label("What to call it")
    name.fill("more rustic")
    name.press("Enter")
    wait_until_quiet(page)
    more = page.get_by_role("combobox", name="More like these")
    more.click()
    more.fill("6.")
    more.press("Enter")
    page.keyboard.press("Escape")
    first, last = int(plain[0][1:]), int(plain[5][1:])
    expect(example(page, "More", last)).to_have_attribute("aria-pressed", "true")
    example(page, "Less", last).click()  # it leaves the other side
    example(page, "Less", first).click()
    example(page, "Less", first).click()
    example(page, "More", last).click()
    wait_until_quiet(page)
    expect(page.get_by_text(f"6. Home {last} by")).to_have_count(1)
    assert not troubles(page, "a dial that is being made")
    page.get_by_role("button", name="Make the dial").click()
    slider = page.get_by_role("slider", name="More rustic")
    expect(slider).to_have_value("1")
    wait_until_quiet(page)
    expect(example(page, "More", last)).to_have_count(0)
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&k=6&dial=more+rustic+3+model+%2B{plain[5]}")
    wait_until_quiet(page)
    moved = selection(run, page.url)["listing_id"].tolist()
    assert moved != plain
    assert_listings(near, moved)
    page.get_by_role("button", name="Export").click()
    expect(
        page.get_by_text('"dial": ', exact=False).or_(page.get_by_text("dial=", exact=False)).first
    ).to_be_visible()
    assert_whole(page)
    assert not troubles(page, "a dial and code")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Without more rustic").click()
    wait_until_quiet(page)
    assert_listings(near, plain)


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
    make.press("Enter")
    sides = "+".join([*(f"%2B{ids[place]}" for place in (1, 2, 4)), f"-{ids[5]}"])
    expect(page).to_have_url(f"{explorer.url}/users?user=u1&at=4&k=6&dial=like+these+1+model+{sides}")
    wait_until_quiet(page)
    assert_listings(listed, selection(run, page.url)["listing_id"].tolist())
