"""Compare as a person uses it: from the ablation to a query's user; the demo without a network."""

import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from browser.conftest import WIDE_AND_PHONE, is_probe
from browser.measured import forget_measured, write_measured
from browser.seeing import assert_whole
from browser.served import wait_for
from listing_vibes_app.server.launch import ADDRESS, free_port


@pytest.fixture(scope="module")
def measured(explorer):
    """Figures, an ablation and the ranks of two scorers in the run's folder."""
    yield write_measured(explorer.run)
    forget_measured(explorer.run)


@WIDE_AND_PHONE
def test_from_the_ablation_to_a_user(page, explorer, measured):
    page.goto("/compare?part=ablation")
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
    page.go_back()
    expect(page.get_by_role("heading", name="Our model was better")).to_be_visible()


def test_the_demo_starts_by_its_command_and_asks_no_network(chromium):
    port = free_port()
    arguments = [sys.executable, "-m", "listing_vibes", "demo", "--no-browser", "--port", str(port)]
    proxy = "http://127.0.0.1:9"  # a proxy that leads nowhere
    environment = os.environ | {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"}
    server = subprocess.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://{ADDRESS}:{port}"
    page, errors = chromium.new_page(viewport={"width": 1440, "height": 900}), []

    def note(message):
        if message.type == "error" and not is_probe(message.location["url"]):
            errors.append(message.text)

    page.on("console", note)
    try:
        wait_for(url + "/_stcore/health", server)
        page.goto(url + "/similar?listing=home-0007")
        photos = page.locator("img[src*='photo']")
        expect(photos.nth(7)).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert not photos.evaluate_all("all => all.filter(one => one.complete && !one.naturalWidth).length")
        page.goto(url + "/users?user=user-00007")
        expect(page.locator("img[src*='photo']").nth(5)).to_be_visible()
        page.goto(url + "/compare?part=runs&listing=home-0007")
        expect(page.get_by_text("are in both lists")).to_be_visible()
        expect(page.get_by_role("heading", name="Without photos")).to_be_visible()
        page.get_by_text("Where they differ").click()
        expect(page.get_by_text("ranked the next listing higher on")).to_be_visible()
        assert page.locator("[data-testid=stException]").count() == 0 and errors == []
    finally:
        page.close()
        server.terminate()
        server.wait(30)
    with pytest.raises(urllib.error.URLError):  # nothing is left behind
        urllib.request.urlopen(url + "/_stcore/health", timeout=30)
