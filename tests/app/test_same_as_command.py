"""What pages recommend is what `vibes recommend` does: ten users, from their id and from their history as a file."""

import json

import pytest
from browser.painted import paint_market, train_run
from looking import components
from typer.testing import CliRunner

from app.app_pages.simulate.history import document, from_frame
from app.view.history import history_frame
from app.view.market import MarketView
from core import Run
from core.cli import app

USERS, EVENTS, K = 10, 6, 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ten")
    return train_run(paint_market(folder / "market", listings=30, users=USERS, events=EVENTS), folder / "run")


def told(*arguments) -> list[tuple[str, str]]:
    """Listings and similarities as the command prints them, rounded as a page does."""
    result = CliRunner().invoke(app, ["recommend", *map(str, arguments), "--k", str(K), "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    rows = document if isinstance(document, list) else document["results"]
    return [(row["listing_id"], f"Similarity {row['score']:.2f}") for row in rows]


def shown(cards) -> list[tuple[str, str]]:
    return [(card["href"].split("listing=")[1].split("&")[0], card["score"]) for card in cards]


def test_ten_users_get_on_the_page_what_the_command_gives_them(show, run):
    page = show("users", run, user="u0", at=str(EVENTS))
    for number in range(USERS):
        page.query_params["user"] = f"u{number}"
        page.run()
        (found,) = [
            one for one in components(page, "gallery") if one["label"] == "Recommendations, the best first"
        ]
        assert shown(found["cards"]) == told(run, f"u{number}")


@pytest.mark.slow
def test_ten_simulated_histories_get_what_the_command_gives_their_files(show, run, tmp_path):
    opened = Run.open(run)
    view = MarketView(opened.market, lambda: opened.log)
    page = show("simulate", run)
    for number in range(USERS):
        text = from_frame(history_frame(view, view.user_row[f"u{number}"], EVENTS))
        (tmp_path / "history.json").write_text(document(text))
        page.query_params["h"] = text
        page.run()
        (found,) = [
            one
            for one in components(page, "history_cards")
            if one["label"] == "Recommended for the history, the best first"
        ]
        assert shown(found["cards"]) == told(run, "--history", tmp_path / "history.json")
