"""The explorer's pages without a browser: real runs over small markets, through Streamlit's own test driver."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import listing_vibes_app
from browser.painted import embed_run, paint_market, train_run
from helpers.driver import scan_once
from helpers.once import once

MAIN = Path(listing_vibes_app.__file__).with_name("main.py")
scan_once()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a model over a market with photos, actions, durations and timestamps."""

    def make(folder: Path) -> None:
        paint_market(folder / "market", ending=True, note="Its events are simulated.")
        train_run(folder / "market", folder / "run")

    return once(tmp_path_factory, "explored", make) / "run"


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a model over a market without photos, actions, durations, timestamps and titles."""

    def make(folder: Path) -> None:
        bare = {"timed": False, "actions": False, "titles": False}
        paint_market(folder / "market", photos=0, returning=True, **bare)
        train_run(folder / "market", folder / "run")

    return once(tmp_path_factory, "explored bare", make) / "run"


@pytest.fixture(scope="session")
def eventless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a model over a market without events."""
    folder = tmp_path_factory.mktemp("eventless")
    return embed_run(paint_market(folder / "market", users=0), folder / "run")


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """`show("similar", run, listing="l01")` draws a page of the explorer, with these query parameters."""

    def draw(page: str, *runs: Path, **params: str) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["main.py", *map(str, runs)])
        driver = AppTest.from_file(str(MAIN), default_timeout=300)
        driver.query_params.update(params)
        driver.run()
        if page != "overview":
            driver.switch_page(f"app_pages/{page}/page.py")
            driver.query_params.update(params)
            driver.run()
        assert not driver.exception, driver.exception
        return driver

    return draw
