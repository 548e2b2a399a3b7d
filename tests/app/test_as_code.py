"""What a page says as code gives the rows that it shows: Python, command and link, under filters, rules and additions."""

import json
import shutil
from urllib.parse import urlencode

import pytest
from looking import components

from browser.painted import paint_market, train_run
from helpers.commands import run_script
from listing_vibes import Run, selection
from listing_vibes.run.fits import Fit, save_fits


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("as-code")
    found = train_run(
        paint_market(folder / "market", listings=30, users=8, events=6, ending=True), folder / "run"
    )
    save_fits(found, [Fit(name="model only + recency", days=20, weight=0.3)])
    return found


def ids(cards) -> list[str]:
    return [card["href"].split("listing=")[1].split("&")[0] for card in cards]


def lists(page, *labels) -> list[list[str]]:
    """The listings of the lists with these words in their labels, in the page's order."""
    found = [*components(page, "gallery"), *components(page, "history_cards")]
    return [ids(one["cards"]) for one in found for word in labels if word in one["label"]]


def python_of(text):
    names: dict = {}
    exec(text, names)
    return names["found"]["listing_id"].tolist()


def command_of(text, folder):
    return [row["listing_id"] for row in json.loads(run_script(text, folder).stdout)]


CASES = {
    "similar": ("similar", {"listing": "l05", "k": "6"}, ["neighbours by"]),
    "filtered": (
        "similar",
        {"listing": "l05", "space": "attributes", "price": "90-200", "is": "room_type:Shared room", "on": "2024-03-04"},
        ["neighbours by"],
    ),
    "the same": ("similar", {"listing": "l05", "same": "room_type", "variety": "4", "fill": "1"}, ["neighbours by"]),
    "side by side": ("similar", {"listing": "l05", "view": "spaces", "k": "6"}, ["neighbours by"]),
    "user": ("users", {"user": "u1", "at": "3", "k": "6", "with": "recency"}, ["Recommendations"]),
    "user to the end": ("users", {"user": "u2", "at": "6", "same": "room_type", "live": "0"}, ["Recommendations"]),
    "history": ("simulate", {"h": "l05,l06*view*30", "variety": "5", "seen": "1"}, ["Recommended for"]),
    "two histories": ("simulate", {"h": "l05", "h2": "l07*message", "two": "1", "k": "6"}, ["Recommended for"]),
    "cold": ("cold", {"listing": "l08", "space": "attributes"}, ["neighbours by"]),
}  # fmt: skip
#: Those that the quick suite walks.
QUICK = {"filtered", "history"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in CASES]
)
def test_the_code_of_a_page_gives_its_rows(show, run, name, tmp_path):
    where, params, labels = CASES[name]
    page = show(where, run, **params)
    shown = lists(page, *labels)
    blocks = [one.value for one in page.code]
    python = [text for text in blocks if "found =" in text]
    commands = [text for text in blocks if text.splitlines()[-1].startswith("vibes ") and " -k " in text]
    commands = commands[-len(shown) :]  # before them, those of the files that are kept
    assert shown and all(shown) and len(python) == len(commands) == len(shown)
    assert [python_of(text) for text in python] == shown
    assert [command_of(text, tmp_path) for text in commands] == shown
    found = selection(Run.open(run), f"/{where}?{urlencode(params)}")
    assert found["listing_id"].tolist() == [one for each in shown for one in each]


@pytest.mark.slow
def test_two_runs_side_by_side_have_code_each(show, run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    (tmp_path / "market").symlink_to(run.parent / "market")
    page = show("compare", run, other, part="runs", listing="l05", space="attributes")
    shown = lists(page, "The list of")
    python = [one.value for one in page.code if "found =" in one.value]
    assert len(shown) == len(python) == 2 and str(other) in python[1]
    assert [python_of(text) for text in python] == shown
    found = selection(Run.open(run), "/compare?part=runs&listing=l05&space=attributes")
    assert found["listing_id"].tolist() == shown[0]


@pytest.mark.slow
def test_a_folder_may_have_quotes_in_its_name(show, run, tmp_path):
    shutil.copytree(run, tmp_path / 'the "last" run')
    (tmp_path / "market").symlink_to(run.parent / "market")
    page = show("similar", tmp_path / 'the "last" run', listing="l05", space="attributes")
    (text,) = [one.value for one in page.code if "selection(" in one.value]
    assert [python_of(text.replace("\n\n", "\n\nfound = ").replace('"?', '"/similar?'))] == lists(
        page, "neighbours by"
    )
