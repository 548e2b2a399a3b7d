"""What pages recommend is what `vibes recommend` does: ten users, from their id and from their history as a file."""

import json

import pytest
from looking import components
from typer.testing import CliRunner

from browser.painted import paint_market, train_run
from helpers.commands import rules_file
from listing_vibes import Run
from listing_vibes.cli import app
from listing_vibes.run.fits import FILE, Fit, save_fits
from listing_vibes_app.app_pages.simulate.history import document, from_frame
from listing_vibes_app.view.history import history_frame
from listing_vibes_app.view.market import MarketView

USERS, EVENTS, K = 10, 6, 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ten")
    return train_run(paint_market(folder / "market", listings=30, users=USERS, events=EVENTS), folder / "run")


FITS = [
    Fit(name="model only + recency", days=20, weight=0.3),
    Fit(name="model only + neighbors", space="attributes", decay=0.8, share=0.6),
    Fit(
        name="model only + neighbors + recency", space="attributes", decay=0.8, share=0.6, days=20, weight=0.3
    ),
    Fit(name="model only + ids", ids="itemknn", id_settings={"shrink": 20.0, "decay": 0.9}, id_share=0.5),
]
#: Rules as a page's address has them, and as the command's file has them.
RULES = [
    ({}, {}),
    ({"same": "room_type"}, {"same": ["room_type"]}),
    ({"per": "room_type", "most": "3"}, {"at_most": 3, "seller": "room_type"}),
    ({"variety": "5", "live": "0"}, {"diversity": 0.5, "live_only": False}),
    ({"where": "price<=150; room_type=Shared room|Private room"},
     {"where": ["price<=150", "room_type=Shared room|Private room"]}),
    ({"seen": "1"}, {"drop_seen": False}),
]  # fmt: skip
BESIDE = [None, "recency", "neighbors", "neighbors+recency", "ids"]


@pytest.fixture(scope="module")
def fitted(run):
    """The run with something fitted to stand beside its model."""
    save_fits(run, FITS)
    yield run
    (run / FILE).unlink()


def told(*arguments) -> list[tuple[str, str]]:
    """Listings and similarities as the command prints them, rounded as a page does."""
    return rows_of("recommend", *arguments, score="Score" if "--blend" in arguments else "Similarity")


def rows_of(command, *arguments, score="Similarity") -> list[tuple[str, str]]:
    result = CliRunner().invoke(app, [command, *map(str, arguments), "--k", str(K), "--json"])
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    rows = document if isinstance(document, list) else document["results"]
    return [(row["listing_id"], f"{score} {row['score']:.2f}") for row in rows]


def shown(cards) -> list[tuple[str, str]]:
    return [(card["href"].split("listing=")[1].split("&")[0], card["score"]) for card in cards]


def recommended(page) -> list[tuple[str, str]]:
    (found,) = [
        one for one in components(page, "gallery") if one["label"] == "Recommendations, the best first"
    ]
    return shown(found["cards"])


def simulated(page) -> list[tuple[str, str]]:
    (found,) = [
        one
        for one in components(page, "history_cards")
        if one["label"] == "Recommended for the history, the best first"
    ]
    return shown(found["cards"])


@pytest.mark.slow
def test_ten_users_get_on_the_page_what_the_command_gives_them(show, run):
    page = show("users", run, user="u0", at=str(EVENTS))
    for number in range(USERS):
        page.query_params["user"] = f"u{number}"
        page.run()
        assert recommended(page) == told(run, f"u{number}")


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
        assert simulated(page) == told(run, "--history", tmp_path / "history.json")


@pytest.mark.slow
@pytest.mark.parametrize("beside", BESIDE)
def test_under_every_rule_and_addition_users_and_their_histories_get_what_the_command_gives(
    show, fitted, tmp_path, beside
):
    opened = Run.open(fitted)
    view = MarketView(opened.market, lambda: opened.log)
    text = from_frame(history_frame(view, view.user_row["u3"], EVENTS))
    (tmp_path / "history.json").write_text(document(text))
    added = {"with": beside} if beside else {}
    option = ["--blend", beside] if beside else []
    lists, users, simulation = set(), show("users", fitted), show("simulate", fitted)

    def anew(page, **asked):
        page.query_params.clear()
        page.query_params.update(asked)
        return page.run()

    for params, rules in RULES:
        expected = told(fitted, "u3", *rules_file(tmp_path, **rules), *option)
        lists.add(tuple(expected))
        assert recommended(anew(users, user="u3", at=str(EVENTS), **params, **added)) == expected
        expected = told(
            fitted, "--history", tmp_path / "history.json", *rules_file(tmp_path, **rules), *option
        )
        assert simulated(anew(simulation, h=text, **params, **added)) == expected
    assert len(lists) > 3  # the rules do tell lists apart


@pytest.mark.slow
def test_under_every_rule_similar_listings_are_those_of_the_command(show, run, tmp_path):
    for params, rules in RULES:
        if {"same", "seen"} & set(params):
            continue  # a filter of the page, and nothing for listings
        page = show("similar", run, listing="l05", space="attributes", **params)
        found = next(one for one in components(page, "gallery") if "neighbours by" in one["label"])
        given = {name: value for name, value in rules.items() if name != "live_only"}
        assert shown(found["cards"]) == rows_of(
            "similar", run, "l05", "--space", "attributes", *rules_file(tmp_path, **given)
        )
