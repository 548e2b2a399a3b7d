"""Charts in a real browser: drawn from Streamlit's own page, exact on hover, in the theme's colours, kept as a PNG."""

import re

import pytest
from contrast import THEME
from playwright.sync_api import expect

from browser.mapped import write_map
from browser.measured import forget_measured, write_measured
from browser.seeing import turn, wait_until_quiet


@pytest.fixture(scope="module")
def measured(explorer):
    """Figures of two methods in the run's folder."""
    write_measured(explorer.run)
    yield
    forget_measured(explorer.run)


def chart_of(page, path):
    page.goto(path)
    wait_until_quiet(page)
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".scatterlayer .point")).not_to_have_count(0)
    return chart


def rgb(colour):
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def test_a_point_tells_its_exact_value_and_interval(page, explorer, measured):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    chart = chart_of(page, "/")
    chart.locator(".point").first.hover(force=True)
    told = chart.locator(".hoverlayer .hovertext")
    expect(told).to_contain_text("Default ranking")
    expect(told).to_contain_text("Recall@30 40.0%")
    expect(told).to_contain_text("95 %: 30.0% to 50.0%")
    assert chart.locator(".errorbar").count() == 2
    assert {url.split("/")[2] for url in asked if not url.startswith(("data:", "blob:"))} == {
        explorer.url.split("/")[2]
    }


def test_the_picture_comes_as_a_png(page, measured):
    chart = chart_of(page, "/")
    chart.hover()
    buttons = chart.locator(".modebar-btn")
    expect(buttons).to_have_count(1)
    with page.expect_download() as download:
        buttons.click()
    assert download.value.suggested_filename == "recall-by-method.png"
    assert download.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_chart_follows_the_theme(page, measured):
    chart = chart_of(page, "/compare")
    for theme in ("light", "dark", "light"):
        turn(page, theme)
        page.reload()
        wait_until_quiet(page)
        expect(chart.locator(".ytick text")).to_have_text(["Popularity", "Full"])
        series = THEME[theme]["chartCategoricalColors"]
        expect(chart.locator(".point").first).to_have_css("fill", rgb(series[5]))


@pytest.fixture
def mapped(explorer):
    """A map in the run's folder."""
    write_map(explorer.run)
    yield
    (explorer.run / "map.parquet").unlink()


def test_a_dot_of_the_picture_shows_its_listing(page, mapped):
    chart = chart_of(page, "/cold?listing=l05")
    expect(chart.locator(".legendtext")).to_have_text(["Other listings", "Neighbours", "This listing"])
    chart.locator(".trace").nth(1).locator(".point").first.click(force=True)
    clicked = page.get_by_role("list", name="The listing of the dot clicked")
    expect(clicked.get_by_role("link")).to_have_count(1)
    expect(clicked.get_by_role("link")).to_have_attribute("href", re.compile(r"/similar\?listing=l\d\d"))
