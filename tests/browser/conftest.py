"""A real server over a real run, looked at through a real Chromium."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from browser.chromium import ARGUMENTS, executable
from browser.painted import paint_market, train_run
from browser.seeing import LISTINGS, PATIENCE
from browser.served import served

PHOTOS = 2
#: Walks a test on a wide screen and on a phone.
WIDE_AND_PHONE = pytest.mark.parametrize(
    "page",
    [{"viewport": {"width": 1440, "height": 900}}, {"viewport": {"width": 390, "height": 844}}],
    indirect=True,
    ids=["1440", "390"],
)


@dataclass(frozen=True)
class Explorer:
    """A running explorer."""

    url: str
    run: Path
    log: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


@pytest.fixture(scope="session")
def chromium():
    """One Chromium for all tests; without it they are skipped, or fail where LISTING_VIBES_REQUIRE_BROWSER is set."""
    missing = pytest.fail if os.environ.get("LISTING_VIBES_REQUIRE_BROWSER") else pytest.skip
    path = executable()
    if path is None:
        missing("no Chromium on this machine; install it with `apt-get install chromium`")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        missing("playwright is not installed; install it with `pip install -e '.[dev]'`")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def explorer(chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """The explorer over a run that was trained for a moment; every photo has a colour of its own."""
    folder = tmp_path_factory.mktemp("explorer")
    run = train_run(
        paint_market(folder / "market", listings=LISTINGS, photos=PHOTOS, users=8, events=9), folder / "run"
    )
    with serving(run, folder) as explorer:
        yield explorer


@contextmanager
def serving(run: Path, folder: Path) -> Iterator[Explorer]:
    """An explorer over `run` whose server writes its log into `folder`."""
    with served([run], folder / "server.log") as found:
        yield Explorer(found.url, run, folder / "server.log")


@pytest.fixture(scope="session")
def contexts(chromium):
    """`contexts(url, **options)`: a browser of this screen that keeps the server's scripts, and nothing else, from test to test."""
    known = {}

    def context(url: str, **options):
        key = url, repr(options)
        if key not in known:
            known[key] = chromium.new_context(base_url=url, **options)
            known[key].set_default_timeout(PATIENCE)
        return known[key]

    return context


def fresh_page(context, url: str):
    """A page of a browser that remembers nothing of what `url` stored; scripts that it fetched once stay in its cache."""
    for left in context.pages:
        left.close()
    view = context.new_page()
    session = context.new_cdp_session(view)
    session.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"})
    session.detach()
    return view


def is_probe(url: str) -> bool:
    """Whether Streamlit's page asked below its own path first, as it does to learn where its server is."""
    return bool(re.search(r"/\w+/_stcore/(health|host-config)$", url))


@pytest.fixture
def page(request: pytest.FixtureRequest, contexts, explorer, tmp_path_factory: pytest.TempPathFactory):
    """A page of a fresh browser; any error on it fails the test, and a failed test leaves a screenshot."""
    options = getattr(request, "param", {"viewport": {"width": 1440, "height": 900}})
    view = fresh_page(contexts(explorer.url, **options), explorer.url)
    troubles = []
    view.on(
        "console",
        lambda note: (
            troubles.append(f"console: {note.text}")
            if note.type == "error" and not is_probe(note.location["url"])
            else None
        ),
    )
    view.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    view.on(
        "response",
        lambda answer: (
            troubles.append(f"{answer.status} {answer.url}")
            if answer.status >= 400 and not is_probe(answer.url)
            else None
        ),
    )
    yield view
    report = getattr(request.node, "report_call", None)
    boxes = view.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').count()
    if boxes or troubles or (report is not None and report.failed):
        shot = tmp_path_factory.mktemp("failed") / f"{request.node.name}.png"
        view.screenshot(path=shot, full_page=True)
        troubles += [f"screenshot: {shot}", *explorer.log.read_text(errors="replace").splitlines()[-20:]]
    view.close()
    assert not boxes and not troubles, "\n".join(troubles)
