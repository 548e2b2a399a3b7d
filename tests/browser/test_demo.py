"""`vibes demo` as a newcomer starts it: one command, and within moments homes with photos."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser.conftest import is_probe
from browser.served import wait_for
from listing_vibes_app.server.launch import ADDRESS, free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """The address of a demo that was started by its command."""
    port = free_port()
    arguments = [sys.executable, "-m", "listing_vibes", "demo", "--no-browser", "--port", str(port)]
    # A proxy that leads nowhere: whatever asked the network would fail.
    nowhere = {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
    }
    server = subprocess.Popen(
        arguments, cwd=ROOT, env=os.environ | nowhere, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://{ADDRESS}:{port}"
    try:
        wait_for(url + "/_stcore/health", server)
        yield url
    finally:
        server.terminate()
        server.wait(30)
    with pytest.raises(urllib.error.URLError):  # nothing is left behind
        urllib.request.urlopen(url + "/_stcore/health", timeout=5)


def test_similar_homes_come_with_their_photos(chromium, demo):
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    errors = []
    page.on(
        "console",
        lambda message: (
            errors.append(message.text)
            if message.type == "error" and not is_probe(message.location["url"])
            else None
        ),
    )
    page.goto(demo + "/similar?listing=home-0007")
    photos = page.locator("img[src*='photo']")
    expect(photos.nth(7)).to_be_visible()
    page.wait_for_load_state("networkidle")
    broken = photos.evaluate_all("all => all.filter(one => one.complete && !one.naturalWidth).length")
    assert broken == 0 and errors == []
    page.close()


def test_a_user_gets_recommendations(chromium, demo):
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(demo + "/users?user=user-00007")
    expect(page.get_by_text("Recommend", exact=False).first).to_be_visible()
    expect(page.locator("img[src*='photo']").nth(5)).to_be_visible()
    assert page.locator("[data-testid=stException]").count() == 0
    page.close()


def test_two_runs_stand_side_by_side_at_first_sight(chromium, demo):
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(demo + "/compare?part=runs&listing=home-0007")
    expect(page.get_by_text("are in both lists")).to_be_visible()
    expect(page.get_by_role("heading", name="without photos")).to_be_visible()
    page.get_by_text("Where they differ").click()
    expect(page.get_by_text("that both were asked")).to_be_visible()
    assert page.locator("[data-testid=stException]").count() == 0
    page.close()
