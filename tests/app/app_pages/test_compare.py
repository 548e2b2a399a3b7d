"""Compare: the ablation, two runs, the queries on which two rankings differ, and what photos know."""

import re
import shutil
from urllib.parse import parse_qsl

import pandas as pd
import pytest
from looking import click, components, links, texts

from browser.painted import embed_run, paint_market, train_run
from listing_vibes import Run, compare
from listing_vibes.ablation.table import COLUMNS
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.insight.page_evidence import evidence_of
from listing_vibes.insight.probes import probe_market
from listing_vibes.insight.rankings import load_rankings
from listing_vibes.insight.selection.page_lists import example_listing, example_user
from listing_vibes_app.app_pages.compare import queries as compare_queries
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


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained.parent, tmp_path / "one")
    return tmp_path / "one" / "run"


@pytest.fixture(scope="session")
def other(trained, tmp_path_factory):
    """Another run over the market of `trained`."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(trained.parent / "market", folder / "market")
    return train_run(folder / "market", folder / "rival")


def test_the_ablation_has_variants_with_their_difference_and_verdict(show, run, eventless):
    assert "There is no ablation" in texts(show("compare", run, part="ablation"))
    assert "This market has no events to train on." in texts(show("compare", eventless, part="ablation"))
    table = pd.DataFrame(ROWS, columns=list(COLUMNS)).astype({"seed": "Int64", "k": "Int64"})
    table.to_parquet(run / "ablation.parquet", index=False)
    page = show("compare", run, part="ablation")
    (shown,) = components(page, "evidence")
    assert [bar["label"] for bar in shown["bars"]] == ["Popularity", "▲ Full model", "▼ No photos", "No text"]
    assert [bar["value"] for bar in shown["bars"]] == [0.2, 0.4, 0.3, 0.39]
    assert [bar["kind"] for bar in shown["bars"]] == ["plain", "better", "worse", "plain"]
    assert "+20.0 points against" in shown["bars"][1]["note"] and "p < .001" in shown["bars"][1]["note"]
    assert (
        shown["headline"].startswith("“Full model” adds most: +20 points")
        and shown["population"] == "40 test queries"
    )
    pd.DataFrame({"x": [1]}).to_parquet(run / "ablation.parquet")
    assert "lacks the column variant" in show("compare", run, part="ablation").error[0].value


def test_two_runs_on_one_listing_and_one_user(show, run, other, tmp_path):
    assert "There is only one run" in texts(show("compare", run, part="runs"))
    page = show("compare", run, other, part="runs", listing="l05")
    _, left, right = components(page)
    lists = [Run.open(one).similar("l05")["listing_id"].tolist() for one in (run, other)]
    assert [links(left), links(right)] == lists
    badge = f"{ordinal(lists[1].index(lists[0][0]) + 1)} in the other list"
    assert left["cards"][0]["badge"] == badge and "**11 of 11** are in both lists." in texts(page)
    assert all("run=rival" in card["href"] for card in right["cards"])
    page = show("compare", run, other, part="runs", of="user", user="u1", at="4")
    events = Run.open(run).market.events
    moment = events[events["user_id"] == "u1"]["timestamp"].iloc[4]
    for shown, one in zip(components(page), (run, other), strict=True):
        assert links(shown) == Run.open(one).recommend("u1", at=moment)["listing_id"].tolist()
    # Until one is chosen, both lists are of an example, and so is the slide.
    chosen = {"listing": example_listing(Run.open(run)), "user": example_user(Run.open(run))}
    for kind, name in chosen.items():
        page = show("compare", run, other, part="runs", of=kind)
        named = show("compare", run, other, part="runs", of=kind, **{kind: name})
        assert (
            [card["id"] for card in components(page)[-1]["cards"]]
            == [card["id"] for card in components(named)[-1]["cards"]]
            != []
        )
        slide = evidence_of(
            {path.name: Run.open(path) for path in (run, other)}, f"/compare?part=runs&of={kind}"
        )
        assert list(slide.strips[1].listings) == links(components(page)[-1])[:12]
    # A run that has no such listing says so beside the other.
    market = paint_market(tmp_path / "small", listings=4, users=3)
    (market / "market.toml").write_text((market / "market.toml").read_text().replace('name = "', 'name = "S'))
    few = embed_run(market, tmp_path / "few")
    page = show("compare", run, few, part="runs", listing="l09")
    assert "There is no listing 'l09'" in texts(page) and len(components(page)) == 2
    # The default is another run of the same market.
    page = show("compare", run, few, other, part="runs")
    assert page.selectbox(key="with").value == other.name
    for params, what in (({"listing": "ghost"}, "listing"), ({"of": "user", "user": "ghost"}, "user")):
        assert f"There is no {what} “ghost”" in texts(show("compare", run, other, part="runs", **params))
    page.text_input(key="words").set_value("zebra").run()
    assert "No listing matches “zebra”" in page.toast[0].value
    page.text_input(key="words").set_value("l07").run()
    assert page.query_params["listing"] == "l07"


def rank(run, users=("u0", "u1", "u2"), **ranks):
    """Write `queries.parquet` for the last events of some users."""
    events = Run.open(run).market.events
    rows = pd.DataFrame([events[events["user_id"] == user].iloc[-1] for user in users])
    frame = rows[["user_id", "timestamp", "listing_id"]].reset_index(drop=True)
    frame.columns = ["user_id", "at", "target"]
    frame = frame.assign(candidates=9, history_length=5, cold_listing=False, cold_user=False)
    for name, values in ranks.items():
        frame[f"rank of {name.replace('_', ' ')}"] = values
    frame.to_parquet(run / "queries.parquet", index=False)
    return frame


def queries(page):
    """Return the queries that the page shows: ranks, link to the user, history, and the lists of both rankings."""
    pattern = re.compile(r"\*\*.+(st|nd|rd|th)\*\*$")
    ranks = [one.value.strip("*").split(" · ") for one in page.markdown if pattern.match(one.value)]
    users = [one.proto.query_string for one in page.page_link if "user=" in one.proto.query_string]
    strips = components(page)
    starts = [at for at, one in enumerate(strips) if one["label"].startswith("Next listing")]
    lists = [strips[start + 1 : end] for start, end in zip(starts, [*starts[1:], len(strips)], strict=True)]
    links_ = [dict(parse_qsl(query)) for query in users]
    return list(zip(ranks, links_, [strips[start] for start in starts], lists, strict=True))


def test_the_queries_stand_on_the_side_that_was_better(show, run, eventless):
    for path in (run, eventless):
        assert "There are no queries to compare" in texts(show("compare", path, part="queries"))
    frame = rank(run, default_ranking=[1, 9, 4], ALS=[3, 2, 4])
    page = show("compare", run, part="queries")
    better, worse = queries(page)
    assert [one.value for one in page.header] == ["Our model was better", "ALS was better"]
    assert better[0] == ["Our model 1st", "ALS 3rd"]
    assert worse[0] == ["Our model 9th", "ALS 2nd"]
    _, link, history, ranked = better
    events = Run.open(run).market.events
    newest = list(dict.fromkeys(events[events["user_id"] == "u0"]["listing_id"].iloc[:5][::-1]))
    assert link == {"user": "u0", "at": "5"} and links(history) == [frame["target"][0], *newest]
    # A scorer that takes long to fit is fitted at a click.
    assert [one["label"] for one in ranked] == ["First by Our model"]
    assert "Show the lists of ALS" in [button.label for button in page.button]
    found = compare(run, run, other="ALS")
    assert not page.dataframe  # slices take seconds
    page.session_state["measures"] = True
    table = page.run().dataframe[0].value
    points = [f"{one['value']:+.3f}" for one in found.differences.values()]
    assert table["Difference"].tolist() == points and "On 3 queries of 3 users" in texts(page)
    click(page, "Show the lists of ALS")
    assert page.query_params["lists"] == "1" and len(queries(page)[0][3]) == 2


def test_the_lists_of_a_query_mark_the_next_listing(show, run):
    save_metrics(Run.open(run), evaluate_run(Run.open(run)))
    page, frame = show("compare", run, part="queries", b="run/popularity"), load_rankings(Run.open(run))
    assert queries(page)
    for _, link, history, (ranked, *_) in queries(page):
        target = links(history)[0]
        (query,) = frame[(frame["target"] == target) & (frame["user_id"] == link["user"])].to_dict("records")
        place = query["rank of default ranking"]
        hits = [rank for rank, card in enumerate(ranked["cards"], 1) if card["tone"] == "hit"]
        assert hits == ([place] if place <= 8 else [])


def test_the_bars_and_the_queries_are_there_before_lists_are_ranked_again(show, run, monkeypatch):
    rank(run, default_ranking=[1, 9, 4], popularity=[3, 2, 4])
    events, lists_of, gallery = [], compare_queries.lists_of, compare_queries.gallery

    def note(name, call):
        def noted(*given, **more):
            events.append(name)
            return call(*given, **more)

        monkeypatch.setattr(compare_queries, name, noted)

    note("lists_of", lists_of)
    note("gallery", gallery)
    page = show("compare", run, part="queries")
    assert events == ["gallery"] * 2 + ["lists_of", "gallery", "gallery"] * 2
    (bars,) = components(page, "evidence")
    expected = compare(run, run, other="popularity").results
    values = [expected[side]["recall@30"]["value"] for side in ("second", "first")]
    assert [(bar["label"], bar["value"]) for bar in bars["bars"]] == list(
        zip(["Popularity", "Our model"], values, strict=True)
    )


def test_two_runs_are_compared_by_their_default_rankings(show, run, other, bare, tmp_path):
    rank(run, default_ranking=[1, 9, 4])
    shutil.copytree(other.parent, tmp_path / "two")
    rival = tmp_path / "two" / "rival"
    rank(rival, default_ranking=[5, 9, 2])
    page = show("compare", run, rival, part="queries")
    keys = [page.selectbox(key=key).value for key in ("a", "b")]
    assert len(queries(page)) == 2 and keys == ["run/default ranking", "rival/default ranking"]
    page.selectbox(key="b").set_value("run/default ranking").run()
    assert "Both are the same" in texts(page) and page.query_params["b"] == "run/default ranking"
    page = show("compare", run, rival, part="queries", run="rival")  # the current run comes first
    assert page.selectbox(key="a").value == "rival/default ranking"
    # A run that cannot be opened, or of another market, is not the default.
    rank(run, default_ranking=[1, 9, 4], EASE=[3, 2, 4])
    shutil.copytree(other, tmp_path / "gone" / "rival")
    manifest = tmp_path / "gone" / "rival" / "run.toml"
    manifest.write_text(manifest.read_text().replace(str(other.parent), str(tmp_path / "gone")))
    page = show("compare", run, manifest.parent, part="queries")
    assert "rival is left out: " in texts(page)
    assert not page.error and page.selectbox(key="b").value == "run/EASE"
    small = embed_run(paint_market(tmp_path / "s", listings=5, users=4, events=3), tmp_path / "small")
    rank(small, default_ranking=[1, 2, 3])
    page = show("compare", run, small, part="queries")
    assert not page.error and page.selectbox(key="b").value == "run/EASE"
    page = show("compare", run, small, part="queries", b="small/default ranking")
    assert "share no test query" in page.error[0].value


def test_photos_predict_every_number_the_best_first(show, bare, trained, tmp_path):
    market = paint_market(tmp_path / "market", listings=30, users=0)
    run = embed_run(market, tmp_path / "run")
    (shown,) = components(show("compare", run, part="photos"), "evidence")
    expected = probe_market(Run.open(run))
    values = [bar["value"] for bar in shown["bars"]]
    assert values == sorted(values, reverse=True) == [max(0.0, value) for _, value, _, _ in expected]
    assert (
        "Price per night" in [bar["label"] for bar in shown["bars"]]
        and shown["population"] == "29 listings with photos"
    )
    assert "without “part=photos”" in texts(show("compare", bare, part="photos"))
    assert "photos could predict" in texts(show("compare", trained, part="photos"))
