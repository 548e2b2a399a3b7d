"""Without events a command says what is possible instead, and that is."""

import json

import pytest

from helpers.commands import vibes
from helpers.small_market import generate


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bare")
    generate(folder / "market", listings=30, users=1)
    (folder / "market" / "events.parquet").unlink()
    vibes("embed", folder / "market", folder / "run")
    return folder


@pytest.mark.parametrize(
    ("words", "possible"),
    [
        (["train", "market", "other"], ["vibes embed", "--history"]),
        (["evaluate", "run"], ["vibes similar", "--history"]),
        (["recommend", "run"], ["--history"]),
        (["compare", "run", "run"], ["which needs events"]),
    ],
    ids=lambda one: one[0],
)
def test_what_is_possible_without_events_is_said(folders, words, possible):
    command, *names = words
    told = vibes(command, *(folders / name for name in names), check=2).stderr
    assert all(part in told for part in possible) and "vibes check" not in told


def test_the_check_says_how_to_go_on_without_events(folders):
    assert "`vibes embed MARKET RUN`" in " ".join(vibes("check", folders / "market").stdout.split())


def test_a_history_is_recommended_for_and_the_report_does_not_ask_to_evaluate(folders):
    history = folders / "history.json"
    listings = [
        row["listing_id"]
        for row in json.loads(vibes("similar", folders / "run", "home-0003", "--json").stdout)
    ]
    history.write_text(json.dumps([{"listing_id": listings[0]}]))
    found = json.loads(vibes("recommend", folders / "run", "--history", history, "--json").stdout)
    assert found and listings[0] not in {row["listing_id"] for row in found}
    vibes("report", folders / "run", folders / "report.html")
    assert "no events to test lists on" in (folders / "report.html").read_text()
