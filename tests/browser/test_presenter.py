"""Views are pinned, noted and shown one after the other, by mouse and by keyboard; pins become a file and a report."""

import pandas as pd
from playwright.sync_api import expect

from browser.conftest import WIDE_AND_PHONE
from browser.seeing import troubles, wait_until_quiet, wait_until_still


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
    expect(page.get_by_role("list", name="6 neighbors by model, the most alike first")).to_be_visible()
    expect(page.get_by_role("button", name="Rules")).to_be_hidden()
    assert not troubles(page, "presenting")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{explorer.url}/users?user=u1")
    expect(stage).to_contain_text("2 of 2")
    wait_until_quiet(page)
    expect(stage.get_by_role("button", name="Next view")).to_be_disabled()
    page.go_back()  # the note is that of what is shown
    expect(page).to_have_url(f"{explorer.url}/similar?listing=l05&k=6")
    expect(stage).to_contain_text("Alike by the model")
    wait_until_quiet(page)
    # A browser takes the first Escape for itself, to leave the full screen.
    page.wait_for_function("document.fullscreenElement")
    page.evaluate("document.exitFullscreen()")
    expect(stage).to_have_count(0)
    expect(page.get_by_test_id("stHeader")).to_be_visible()
    page.reload()
    wait_until_quiet(page)
    expect(page.get_by_role("button", name="Pinned views (2)")).to_be_visible()


def test_pins_move_go_to_a_file_and_come_back(page, tmp_path):
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
    with page.expect_download() as download:
        views.get_by_role("button", name="Save as a file").click()
    download.value.save_as(tmp_path / "pinned.json")
    for _ in range(2):
        views.get_by_role("button", name="Remove").first.click()
    expect(views.get_by_text("Nothing is pinned yet")).to_be_visible()
    views.locator("input[type=file]").set_input_files(tmp_path / "pinned.json")
    expect(views.get_by_role("listitem")).to_have_count(2)
    (tmp_path / "none.json").write_text('[{"listing_id": "l01"}]')
    views.locator("input[type=file]").set_input_files(tmp_path / "none.json")
    expect(views.get_by_text("holds no pinned views")).to_be_visible()
    expect(views.get_by_role("listitem")).to_have_count(2)


def test_pinned_views_become_a_report_and_rows_a_file(page, explorer, tmp_path):
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    page.get_by_text("As code").click()
    button = page.get_by_role("button", name="These rows as CSV")
    wait_until_still(button)
    with page.expect_download() as download:
        button.click()
    table = pd.read_csv(download.value.path())
    assert {"listing_id", "score"} <= set(table) and len(table) == 6
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
    url = f"{explorer.url}/report/{explorer.run.name}"
    assert page.request.post(url, data="[]", headers={"Content-Type": "text/plain"}).status == 415
