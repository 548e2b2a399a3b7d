"""Compare as a person uses it: from the ablation to a query's user, and the report in the end."""

import pytest
from playwright.sync_api import expect

from browser.conftest import WIDE_AND_PHONE
from browser.measured import forget_measured, write_measured
from browser.seeing import assert_whole
from listing_vibes import Run
from listing_vibes.report.page import report_html


@pytest.fixture(scope="module")
def measured(explorer):
    """Figures, an ablation and the ranks of two scorers in the run's folder."""
    yield write_measured(explorer.run)
    forget_measured(explorer.run)


@WIDE_AND_PHONE
def test_from_the_ablation_to_a_user_and_the_report(page, explorer, measured):
    page.goto("/")
    page.get_by_test_id("stMain").get_by_role("link", name="Compare").first.click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    expect(page.get_by_text("Recall@30 on 40 test queries")).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart")).to_be_visible()
    assert_whole(page)

    page.get_by_role("radio", name="Where they differ").click()
    user = measured["user_id"].iloc[0]
    link = page.get_by_test_id("stMain").get_by_role("link", name=f"User {user}")
    expect(link).to_have_count(1)
    expect(page.get_by_text("9th").first).to_be_visible()
    assert_whole(page)
    link.click()
    expect(page.get_by_role("heading", name=f"User {user}")).to_be_visible()
    expect(page).to_have_url(f"{explorer.url}/users?user={user}&at=8")

    assert_whole(page)

    page.go_back()
    expect(page.get_by_role("heading", name="Default ranking knew better")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report for others").click()
    html = download.value.path().read_text(encoding="utf-8")
    assert html == report_html(Run.open(explorer.run))
    page.set_content(html)
    expect(page.get_by_role("heading", name="Tiny town")).to_be_visible()
    loaded = page.locator("img").evaluate_all(
        "images => images.every((one) => one.complete && one.naturalWidth > 0)"
    )
    assert loaded and page.locator("img").count() > 10
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
