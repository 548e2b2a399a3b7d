"""Compare: the ablation, two runs on one question, and the queries on which two rankings differ."""

import re
import shutil
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from looking import components, texts

from browser.painted import embed_run, paint_market, train_run
from helpers.copies import resealed
from listing_vibes import Run, compare
from listing_vibes.ablation.table import COLUMNS
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.insight.rankings import load_rankings
from listing_vibes.run.manifest import Manifest
from listing_vibes_app.view.formats import ordinal

pytestmark = pytest.mark.slow

ROWS = [
    ("popularity", None, "all", "recall", 30, 0.2, 0.1, 0.3, 40, None, None, None),
    ("full", None, "all", "recall", 30, 0.4, 0.3, 0.5, 40, "popularity", 0.2, 0.0004),
    ("full", 0, "all", "recall", 30, 0.41, 0.3, 0.5, 40, "popularity", 0.21, 0.001),
    ("full", 1, "all", "recall", 30, 0.39, 0.3, 0.5, 40, "popularity", 0.19, 0.001),
    ("no photos", None, "all", "recall", 30, 0.3, 0.2, 0.4, 40, "full", -0.1, 0.03),
    ("no text", None, "all", "recall", 30, 0.39, None, None, 40, "full", -0.01, 0.8),
    ("full", None, "all", "recall", 10, 0.15, 0.1, 0.2, 40, "popularity", 0.1, 0.01),
    ("full", None, "cold listings", "recall", 30, 0.25, 0.1, 0.4, 9, "popularity", 0.2, 0.01),
    ("full", None, "all", "mrr", None, 0.11, 0.1, 0.2, 40, "popularity", 0.1, 0.01),
]


def queries(page):
    """The queries that the page shows: ranks, the user, the first strip, and the lists of both rankings."""
    ranks = [
        one.value.strip("*").split(" · ")
        for one in page.markdown
        if re.match(r"\*\*.+(st|nd|rd|th)\*\*$", one.value)
    ]
    users = [
        dict(parse_qsl(one.proto.query_string)) for one in page.page_link if "user=" in one.proto.query_string
    ]
    strips = components(page, "gallery")
    starts = [at for at, one in enumerate(strips) if one["label"].startswith("Touched next")]
    lists = [strips[start + 1 : end] for start, end in zip(starts, [*starts[1:], len(strips)], strict=True)]
    return list(zip(ranks, users, [strips[start] for start in starts], lists, strict=True))


def ids(cards):
    return [card["href"].split("listing=")[1].split("&")[0] for card in cards]


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained.parent, tmp_path / "one")
    return tmp_path / "one" / "run"


@pytest.fixture
def ablated(run):
    table = pd.DataFrame(ROWS, columns=list(COLUMNS)).astype({"seed": "Int64", "k": "Int64"})
    table.to_parquet(run / "ablation.parquet", index=False)
    return run


@pytest.fixture(scope="session")
def other(trained, tmp_path_factory):
    """Another run over the market of `trained`, of another seed of chance in its training."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(trained.parent / "market", folder / "market")
    return train_run(folder / "market", folder / "rival")


def rank(run, users=("u0", "u1", "u2"), **ranks):
    """Write `queries.parquet` for the last events of some users."""
    events = Run.open(run).market.events
    rows = [events[events["user_id"] == user].iloc[-1] for user in users]
    frame = pd.DataFrame(
        {
            "user_id": [row["user_id"] for row in rows],
            "at": [row["timestamp"] for row in rows],
            "target": [row["listing_id"] for row in rows],
            "candidates": 9, "history_length": 5, "cold_listing": False, "cold_user": False,
        }
    )  # fmt: skip
    for name, values in ranks.items():
        frame[f"rank of {name.replace('_', ' ')}"] = values
    frame.to_parquet(run / "queries.parquet", index=False)
    return frame


# the ablation


def test_no_ablation_says_how_to_have_one(show, run):
    page = show("compare", run)
    assert "There is no ablation yet" in texts(page)
    assert page.code[0].value.startswith("vibes ablate ") and page.code[0].value.endswith(str(run))


def test_a_market_without_events_has_none(show, eventless):
    page = show("compare", eventless)
    assert "This market has no events to train on." in texts(page)
    assert page.page_link[0].label == "Go to similar listings"


def test_variants_stand_in_order_with_their_difference_and_verdict(show, ablated):
    page = show("compare", ablated)
    table = page.dataframe[0].value
    assert table["Variant"].tolist() == ["Popularity", "Full", "No photos", "No text"]
    assert table["Value"].tolist() == ["20.0%", "40.0%", "30.0%", "39.0%"]
    assert table["Verdict"].tolist() == ["—", "better", "worse", "not told apart"]
    assert table["Difference"].tolist() == ["—", "+20.0 points", "-10.0 points", "-1.0 points"]
    assert table["p"].tolist() == ["—", "< .001", "0.030", "0.800"]
    assert table["95 % interval"].tolist() == ["10.0% to 30.0%", "30.0% to 50.0%", "20.0% to 40.0%", "—"]
    assert "Recall@30 on 40 test queries, mean over users and 2 trainings each" in texts(page)


def test_slice_measure_and_cutoff_are_in_the_url(show, ablated):
    page = show("compare", ablated)
    page.segmented_control(key="k").set_value("10").run()
    assert page.query_params == {"k": "10"} and page.dataframe[0].value["Value"].tolist() == ["15.0%"]
    page = show("compare", ablated, slice="cold listings")
    assert "on 9 test queries" in texts(page)
    page.segmented_control(key="metric").set_value("mrr").run()
    assert "MRR on 40 test queries" in texts(page)  # this measure has no such slice, so all queries are shown


def test_a_damaged_ablation_is_told(show, run):
    pd.DataFrame({"x": [1]}).to_parquet(run / "ablation.parquet")
    assert "lacks the column variant" in show("compare", run).error[0].value


# two runs


def test_one_run_alone_says_how_to_start_with_two(show, run):
    page = show("compare", run, part="runs")
    assert "There is only one run" in texts(page) and page.code[0].value == "vibes explore RUN OTHER-RUN"


def test_neighbours_of_both_runs_and_what_they_share(show, run, other):
    page = show("compare", run, other, part="runs", listing="l05")
    _, left, right = components(page, "gallery")
    lists = [Run.open(one).similar("l05", k=12)["listing_id"].tolist() for one in (run, other)]
    for shown, expected in ((left, lists[0]), (right, lists[1])):
        assert [card["href"].split("listing=")[1].split("&")[0] for card in shown["cards"]] == expected
    assert left["cards"][0]["badge"] == f"{ordinal(lists[1].index(lists[0][0]) + 1)} in the other list"
    assert "**11 of 11** are in both lists." in texts(page)
    assert all("run=rival" in card["href"] for card in right["cards"])


def test_recommendations_of_both_runs_at_one_moment(show, run, other):
    page = show("compare", run, other, part="runs", of="user", user="u1", at="4")
    events = Run.open(run).market.events
    moment = events[events["user_id"] == "u1"]["timestamp"].iloc[4]
    for shown, one in zip(components(page, "gallery"), (run, other), strict=True):
        expected = Run.open(one).recommend("u1", k=12, at=moment)["listing_id"].tolist()
        assert [card["href"].split("listing=")[1].split("&")[0] for card in shown["cards"]] == expected


def test_a_list_to_which_a_run_adds_recency_has_scores_and_no_similarities(show, run, other):
    manifest = Manifest.load(run)
    training = manifest.settings.training.model_copy(
        update={"recency_served": True, "recency_fit": (60, 1.0)}
    )
    settings = manifest.settings.model_copy(update={"training": training})
    manifest.model_copy(update={"settings": settings}).save(run)
    resealed(run)
    page = show("compare", run, other, part="runs", of="user", user="u1", at="4")
    words = [{card["score"].split()[0] for card in one["cards"]} for one in components(page, "gallery")]
    assert words == [{"Score"}, {"Similarity"}]


def test_a_run_that_cannot_answer_says_why_beside_the_other(show, run, tmp_path):
    market = paint_market(tmp_path / "small", listings=4, users=3)
    page = show("compare", run, train_run(market, tmp_path / "few"), part="runs", listing="l09")
    assert "There is no listing 'l09'" in texts(page).replace("\\", "")
    assert len(components(page, "gallery")) == 2


@pytest.mark.slow
def test_unknown_listings_users_and_words_are_told(show, run, other):
    assert "There is no listing “ghost”" in texts(show("compare", run, other, part="runs", listing="ghost"))
    assert "There is no user “ghost”" in texts(
        show("compare", run, other, part="runs", of="user", user="ghost")
    )
    page = show("compare", run, other, part="runs")
    page.text_input(key="words").set_value("zebra").run()
    assert "No listing matches “zebra”" in texts(page)
    page.text_input(key="words").set_value("l07").run()
    assert page.query_params["listing"] == "l07"


# the queries on which two rankings differ


def test_without_ranks_the_next_step_is_to_evaluate(show, run, eventless):
    page = show("compare", run, part="queries")
    assert page.code[0].value == f"vibes evaluate {run}"
    page = show("compare", eventless, part="queries")
    assert "there is nothing to ask" in texts(page) and not page.code
    assert page.page_link[0].label == "Go to similar listings"


def test_the_queries_stand_on_the_side_that_knew_better(show, run):
    frame = rank(run, default_ranking=[1, 9, 4], ease=[3, 2, 4])
    page = show("compare", run, part="queries")
    better, worse = queries(page)
    assert [one.value for one in page.subheader] == ["Default ranking knew better", "EASE knew better"]
    assert better[0] == ["Default ranking 1st", "EASE 3rd"]
    assert worse[0] == ["Default ranking 9th", "EASE 2nd"]
    _, link, history, ranked = better
    assert link == {"user": "u0", "at": "5"}
    events = Run.open(run).market.events
    newest = list(dict.fromkeys(events[events["user_id"] == "u0"]["listing_id"].iloc[:5][::-1]))
    assert ids(history["cards"]) == [frame["target"][0], *newest]
    # A scorer that is fitted for long is fitted on demand.
    assert [one["label"] for one in ranked] == ["Default ranking put first"]
    assert "Not fitted here yet" in texts(page)
    assert [button.label for button in page.button] == ["Show the lists of EASE"]
    assert "On **1 query** Default ranking put the touched listing higher" in texts(page)
    told = compare(run, run, other="ease")
    table = page.dataframe[0].value
    assert table["Difference"].tolist() == [
        f"{100 * one['value']:+.1f} points" for one in told.differences.values()
    ]
    assert table["Default ranking"][
        1
    ] == "100.0%" and "on 3 queries of 3 users that both were asked" in texts(page)
    assert page.dataframe[1].value["Queries"].tolist() == [
        str(one["queries"]) for one in told.slices.values()
    ]


@pytest.mark.parametrize("first", ["default ranking", "ease"])
def test_those_that_are_furthest_apart_stand_on_top_on_either_side(show, run, first):
    behind, ahead = [3, 40, 5, 30, 9, 20], [2, 1, 4, 2, 8, 3]
    model, ease = (ahead, behind) if first == "default ranking" else (behind, ahead)
    frame = rank(run, [f"u{user}" for user in range(6)], default_ranking=model, ease=ease)
    gain = 1 / np.log2(np.array(ahead) + 1) - 1 / np.log2(np.array(behind) + 1)
    best: dict[str, int] = {}
    for query in np.argsort(-gain):
        best.setdefault(frame["target"][query], int(query))  # no listing stands there twice
    shown = [ranks for ranks, *_ in queries(show("compare", run, part="queries"))]
    expected = [
        [f"Default ranking {ordinal(model[one])}", f"EASE {ordinal(ease[one])}"] for one in best.values()
    ]
    assert len(expected) > 3 and shown == expected[:3]


def test_the_first_places_of_both_are_shown_with_what_was_touched_marked(show, run):
    save_metrics(Run.open(run), evaluate_run(Run.open(run)))
    page = show("compare", run, part="queries", b="run/popularity")
    frame, seen = load_rankings(Run.open(run)), []
    for _, link, history, (ranked, *_) in queries(page):
        target = ids(history["cards"])[0]
        (query,) = frame[(frame["target"] == target) & (frame["user_id"] == link["user"])].to_dict("records")
        place = query["rank of default ranking"]
        hit = [card["step"] for card in ranked["cards"] if card["tone"] == "hit"]
        assert hit == ([f"Default ranking: {place}"] if place <= 8 else [])
        seen.append(target)
    assert seen and len(seen) == len(set(seen))


def test_two_runs_are_compared_by_their_models(show, run, other, tmp_path):
    rank(run, default_ranking=[1, 9, 4])
    shutil.copytree(other.parent, tmp_path / "two")
    rival = tmp_path / "two" / "rival"
    rank(rival, default_ranking=[5, 9, 2])
    page = show("compare", run, rival, part="queries")
    assert len(queries(page)) == 2
    assert (
        page.selectbox(key="a").value == "Default ranking, run"
        and page.selectbox(key="b").value == "Default ranking, rival"
    )
    page.selectbox(key="b").set_value("Default ranking, run").run()
    assert "Both are the same" in texts(page)
    assert page.query_params["b"] == "run/default ranking"
    page = show("compare", run, rival, part="queries", run="rival")  # the run that is looked at comes first
    assert (
        page.selectbox(key="a").value == "Default ranking, rival"
        and page.selectbox(key="b").value == "Default ranking, run"
    )


def test_a_run_that_cannot_be_opened_is_left_out_of_the_comparison(show, run, other, tmp_path):
    rank(run, default_ranking=[1, 9, 4], ease=[3, 2, 4])
    shutil.copytree(other, tmp_path / "gone" / "rival")
    told = tmp_path / "gone" / "rival" / "run.toml"
    told.write_text(
        told.read_text().replace(str(other.parent), str(tmp_path / "gone"))
    )  # its market is not there
    page = show("compare", run, tmp_path / "gone" / "rival", part="queries")
    assert not page.error and "rival is left out: " in texts(page)
    assert page.selectbox(key="b").value == "EASE, run"


def test_a_run_is_first_set_beside_another_of_its_market(show, run, other, tmp_path):
    market = paint_market(tmp_path / "small", listings=5, users=4, events=3)
    (market / "market.toml").write_text(
        (market / "market.toml").read_text().replace('name = "', 'name = "Small ')
    )
    page = show("compare", run, embed_run(market, tmp_path / "small-run"), other, part="runs")
    assert page.selectbox(key="with").value == other.name


def test_rankings_of_other_markets_cannot_be_compared(show, run, tmp_path):
    market = paint_market(tmp_path / "small", listings=5, users=4, events=3)
    rival = embed_run(market, tmp_path / "rival")
    rank(run, default_ranking=[1, 9, 4])
    rank(rival, default_ranking=[1, 2, 3])
    assert "not asked the same queries" in show("compare", run, rival, part="queries").error[0].value
    # Where there is another one, what cannot be compared is not what is shown first.
    rank(run, default_ranking=[1, 9, 4], ease=[3, 2, 4])
    page = show("compare", run, rival, part="queries")
    assert not page.error and page.selectbox(key="b").value == "EASE, run"


def test_a_market_without_photos_compares_without_photo_boxes(show, bare, tmp_path):
    shutil.copytree(bare.parent, tmp_path / "bare")
    run = tmp_path / "bare" / "run"
    events = Run.open(run).market.events
    row = events[events["user_id"] == "u1"].iloc[-1]
    base = {"user_id": ["u1"], "at": [row["position"]], "target": [row["listing_id"]], "history_length": [6]}
    pd.DataFrame(base | {"rank of default ranking": [2], "rank of als": [8]}).to_parquet(
        run / "queries.parquet"
    )
    page = show("compare", run, part="queries")
    ((_, _, history, _),) = queries(page)
    assert history["photos"] is False and page.page_link[0].label == "User u1, event 7"


def test_the_report_is_at_hand(show, run):
    (button,) = show("compare", run).get("download_button")
    assert button.label == "Report for others"


def test_places_in_words():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 1003)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "1,003rd",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run_without_a_model_is_not_asked_to_be_measured(show, tmp_path):
    run = embed_run(paint_market(tmp_path / "market"), tmp_path / "run")
    page = show("compare", run, part="queries")
    assert "This run has no trained model" in texts(page) and not page.code
