"""Views are pinned, noted and shown one after the other, by mouse and by keyboard, wide and on a phone."""

import pandas as pd
from playwright.sync_api import expect

from browser.conftest import WIDE_AND_PHONE
from browser.seeing import wait_until_quiet, wait_until_still
from browser.test_axe import troubles


@WIDE_AND_PHONE
def test_pinned_views_are_presented_with_their_notes(page, explorer):
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    page.get_by_role("button", name="Pin this view").click()
    expect(page.get_by_role("button", name="Pinned views (1)")).to_be_visible()
    page.goto("/users?user=u1")
    wait_until_quiet(page)
    page.get_by_role("button", name="Pin this view").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, main.scrollHeight)")
    page.get_by_role("button", name="Pinned views (2)").press("Enter")
    views = page.get_by_role("dialog", name="Pinned views")
    expect(views.get_by_role("listitem")).to_have_count(2)
    views.get_by_role("textbox").first.fill("Alike by the model")
    assert not troubles(page, "pinned views")

    views.get_by_role("button", name="Present", exact=True).click()
    stage = page.get_by_role("region", name="Presenting")
    expect(stage).to_contain_text("Alike by the model")
    expect(stage).to_contain_text("1 of 2")
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&k=6")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 0
    wait_until_quiet(page)
    expect(page.get_by_role("list", name="6 neighbours by model, the most alike first")).to_be_visible()
    expect(page.get_by_role("button", name="Rules")).to_be_hidden()
    assert not troubles(page, "presenting")

    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{explorer.url}/users?user=u1")
    expect(stage).to_contain_text("2 of 2")
    wait_until_quiet(page)
    expect(stage.get_by_role("button", name="Next view")).to_be_disabled()
    stage.get_by_role("button", name="View before").click()
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&k=6")
    wait_until_quiet(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stHeader")).to_be_visible()
    page.reload()
    wait_until_quiet(page)
    expect(page.get_by_role("button", name="Pinned views (2)")).to_be_visible()


def test_pins_go_to_a_file_and_come_back(page, explorer, tmp_path):
    page.goto("/similar?listing=l03")
    wait_until_quiet(page)
    page.get_by_role("button", name="Pin this view").click()
    page.get_by_role("button", name="Pinned views (1)").click()
    views = page.get_by_role("dialog", name="Pinned views")
    with page.expect_download() as download:
        views.get_by_role("button", name="Save as a file").click()
    download.value.save_as(tmp_path / "pinned.json")
    views.get_by_role("button", name="Remove").click()
    expect(views.get_by_text("Nothing is pinned yet")).to_be_visible()
    views.locator("input[type=file]").set_input_files(tmp_path / "pinned.json")
    expect(views.get_by_role("listitem")).to_have_count(1)
    for content in ('{"url": 1}', '[{"listing_id": "l01"}]'):
        views.locator("input[type=file]").set_input_files(tmp_path / "pinned.json")
        expect(views.get_by_text("holds no pinned views")).to_be_hidden()
        (tmp_path / "none.json").write_text(content)
        views.locator("input[type=file]").set_input_files(tmp_path / "none.json")
        expect(views.get_by_text("holds no pinned views")).to_be_visible()
        expect(views.get_by_role("listitem")).to_have_count(1)
    views.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Pinned views (1)")).to_be_visible()


def test_a_note_just_written_outlives_moving_and_removing(page):
    page.goto("/similar?listing=l03")
    wait_until_quiet(page)
    for _ in range(3):
        page.get_by_role("button", name="Pin this view").click()
    page.get_by_role("button", name="Pinned views (3)").click()
    views = page.get_by_role("dialog", name="Pinned views")
    notes = views.get_by_role("textbox")
    notes.nth(1).fill("Moved up")
    views.get_by_role("button", name="Move up").nth(1).click()
    expect(notes.nth(0)).to_have_value("Moved up")
    notes.nth(1).fill("Stays")
    views.get_by_role("button", name="Remove").nth(2).click()
    expect(notes).to_have_count(2)
    assert [notes.nth(at).input_value() for at in range(2)] == ["Moved up", "Stays"]


def test_what_another_tab_pins_notes_and_removes_is_seen_here(page):
    page.goto("/similar?listing=l03")
    wait_until_quiet(page)
    page.get_by_role("button", name="Pin this view").click()
    with page.context.new_page() as other:
        other.goto("/users?user=u1")
        wait_until_quiet(other)
        other.get_by_role("button", name="Pin this view").click()
        expect(page.get_by_role("button", name="Pinned views (2)")).to_be_visible()
        page.get_by_role("button", name="Pinned views (2)").click()
        here = page.get_by_role("dialog", name="Pinned views")
        other.get_by_role("button", name="Pinned views (2)").click()
        there = other.get_by_role("dialog", name="Pinned views")
        there.get_by_role("textbox").nth(1).fill("Their list")
        expect(here.get_by_role("textbox").nth(1)).to_have_value("Their list")
        there.get_by_role("button", name="Remove").first.click()
        expect(here.get_by_role("listitem")).to_have_count(
            1
        )  # of which a click here would take the one that is meant
        here.get_by_role("button", name="Present", exact=True).click()
        stage = page.get_by_role("region", name="Presenting")
        expect(stage).to_contain_text("Their list")
        there.get_by_role("textbox").fill("Their list in May")
        expect(stage).to_contain_text("Their list in May")
        there.get_by_role("button", name="Remove").click()
        expect(stage).to_have_count(0)


def test_pinned_views_become_a_report(page, explorer, tmp_path):
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    page.get_by_role("button", name="Pin this view").click()
    page.get_by_role("button", name="Pinned views (1)").click()
    views = page.get_by_role("dialog", name="Pinned views")
    views.get_by_role("textbox").fill("Look at <these>")
    with page.expect_download() as download:
        views.get_by_role("button", name="Report with these views").click()
    expect(views.get_by_role("status")).to_have_text("The report was saved.")
    download.value.save_as(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Look at &lt;these&gt;" in html and "/similar?listing=l05" in html
    paper = page.context.new_page()
    paper.set_content(html)
    expect(paper.locator("details pre")).to_be_hidden()
    paper.emulate_media(media="print")  # where nobody can open it
    expect(paper.locator("details pre")).to_be_visible()
    paper.close()
    address = f"{explorer.url}/report/{explorer.run.name}"
    assert page.request.post(address, data="[]", headers={"Content-Type": "text/plain"}).status == 415
    assert page.request.post(address, data={"url": "/"}).status == 400
    assert page.request.post(f"{explorer.url}/report/none", data=[]).status == 404


def test_rows_are_a_file(page):
    page.goto("/similar?listing=l05")
    wait_until_quiet(page)
    page.get_by_text("As code").click()
    button = page.get_by_role("button", name="These rows as CSV")
    wait_until_still(button)
    with page.expect_download() as download:
        button.click()
    table = pd.read_csv(download.value.path())
    assert {"listing_id", "score"} <= set(table) and len(table) == 12


def test_the_browsers_own_ways_are_followed_while_presenting(page, explorer):
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    pins = [
        {"title": f"View {listing}", "url": f"/similar?listing={listing}&k=6"}
        for listing in ("l05", "l06", "l07")
    ]
    page.evaluate("pins => localStorage.setItem('listing-vibes-pins', JSON.stringify(pins))", pins)
    page.reload()
    wait_until_quiet(page)
    page.get_by_role("button", name="Pinned views (3)").click()
    page.get_by_role("dialog", name="Pinned views").get_by_role("button", name="Present", exact=True).click()
    stage = page.get_by_role("region", name="Presenting")
    page.keyboard.press("ArrowRight")
    expect(stage).to_contain_text("2 of 3")
    wait_until_quiet(page)
    page.go_back()  # the note is that of what is shown
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&k=6")
    expect(stage).to_contain_text("View l05")
    wait_until_quiet(page)
    # A browser takes the first Escape for itself, to leave the full screen.
    page.wait_for_function("document.fullscreenElement")
    page.evaluate("document.exitFullscreen()")
    expect(stage).to_have_count(0)
    expect(page.get_by_test_id("stHeader")).to_be_visible()
