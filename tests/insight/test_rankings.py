"""Where two rankings differ, query by query."""

import json
import shutil
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from browser.painted import embed_run, paint_market, train_run
from helpers.small_market import generate
from listing_vibes.cli import app
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import paired_estimates
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import QUERIES as FILE
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.insight.comparison import compare, compared
from listing_vibes.insight.disagreements import FILE as LISTS
from listing_vibes.insight.disagreements import (
    first_lists,
    queries_of,
    scorer_of,
    split_of,
    top_listings,
    usual_baseline,
)
from listing_vibes.insight.home import FILE as HOME
from listing_vibes.insight.home import home_evidence
from listing_vibes.insight.rankings import (
    best_baseline,
    distinct_examples,
    load_rankings,
    rankers,
)
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.run.versions import results_of


def frame(**ranks):
    size = len(next(iter(ranks.values())))
    base = {
        "user_id": [f"u{row}" for row in range(size)],
        "at": list(range(size)),
        "target": [f"l{row}" for row in range(size)],
        "candidates": [9] * size,
        "history_length": [3] * size,
        "cold_listing": [False] * size,
        "cold_user": [False] * size,
    }
    return pd.DataFrame(
        base | {f"rank of {name.replace('_', ' ')}": values for name, values in ranks.items()}
    )


def test_only_shared_queries_with_different_ranks_differ_and_the_first_ranks_count_most():
    table = frame(default_ranking=[1, 500, 7, 40, 2], ease=[3, 900, 7, 2, 1])
    found = compared(table, table, (("a", "default ranking"), ("a", "ease"))).apart
    assert found["user_id"].tolist() == ["u0", "u1", "u4", "u3"]
    assert found["first"].tolist() == [1, 500, 2, 40] and found["second"].tolist() == [3, 900, 1, 2]
    assert np.allclose(found["gain"], 1 / np.log2(found["first"] + 1) - 1 / np.log2(found["second"] + 1))
    one, two = frame(default_ranking=[1, 2, 3]), frame(default_ranking=[4, 5, 6]).iloc[1:]
    both = compared(one, two, (("a", "default ranking"), ("b", "default ranking"))).apart
    assert both["user_id"].tolist() == ["u1", "u2"]
    for at in (99, pd.Timestamp("2025-01-01", tz="UTC")):  # another position, and moments
        with pytest.raises(VibesError, match="share no test query"):
            compared(one, one.assign(at=at), (("a", "default ranking"), ("b", "default ranking")))


def test_no_user_and_no_target_comes_twice():
    table = frame(default_ranking=[1] * 5)
    table["user_id"] = ["u0", "u0", "u1", "u2", "u3"]
    table["target"] = ["a", "b", "a", "c", "d"]
    first, second = distinct_examples(table, table[::-1], 2)
    assert first["target"].tolist() == ["a", "c"]
    assert second["target"].tolist() == ["d", "c"]


@pytest.mark.slow
def test_evaluating_writes_the_ranks_of_every_scorer(tmp_path):
    market = paint_market(tmp_path / "market", photos=0, users=6)
    run = Run.open(train_run(market, tmp_path / "run"))
    assert load_rankings(run) is None
    evaluation = evaluate_run(run)
    save_metrics(run, evaluation)
    found = load_rankings(run)
    assert rankers(found) == evaluation.names
    split = split_of(run)
    queries = queries_of(run, split, found)
    for name in set(evaluation.names) & {
        "default ranking",
        "recent popularity",
        "ItemKNN",
        "attribute neighbors",
    }:
        lists = top_listings(run, scorer_of(run, split, name), queries, 100)
        for target, rank, best in zip(found["target"], found[f"rank of {name}"], lists, strict=True):
            place = best.index(target) + 1 if target in best else 0  # an id model knows no cold listing
            assert place <= rank if name != "default ranking" else place == rank  # ties count against a rank
    rows = found.head(3)
    expected = top_listings(run, scorer_of(run, split, "popularity"), queries_of(run, split, rows), 5)
    assert first_lists(run, "popularity", rows, 5) == expected
    # Lists that were made once are fitted again only if the queries, their length or the evaluation change.
    fit = Mock(side_effect=lambda: (split, scorer_of(run, split, "popularity")))
    assert first_lists(Run.open(run.path), "popularity", rows, 5, fit) == expected and not fit.called
    assert first_lists(run, "popularity", rows, 4, fit) == [line[:4] for line in expected]
    assert first_lists(run, "popularity", rows[:2], 5, fit) == expected[:2] and fit.call_count == 2
    (run.path / LISTS).write_text("damaged")
    assert first_lists(run, "popularity", rows, 5, fit) == expected and fit.call_count == 3
    with pytest.raises(VibesError, match="changed since"):
        queries_of(run, split, found.assign(target="ghost"))
    with pytest.raises(VibesError, match="cannot be rebuilt"):
        scorer_of(run, split, "oracle")
    for name in evaluation.names:
        assert found[f"rank of {name}"].tolist() == evaluation.ranks[name].tolist()
    expected = evaluation.queries_frame(run.market, "default ranking").drop(columns="rank")
    pd.testing.assert_frame_equal(found[expected.columns.tolist()], expected)
    pd.DataFrame({"x": [1]}).to_parquet(results_of(run.path) / "queries.parquet")
    with pytest.raises(VibesError, match="lacks the column user_id"):
        load_rankings(run)


@pytest.mark.slow
def test_a_model_from_elsewhere_is_asked_again_what_its_evaluation_asked(trained, tmp_path):
    folder = tmp_path / "market"
    generate(folder, listings=80, users=40, seed=9)
    for name in ("listings", "events"):  # a market of years before, of which the training knew nothing
        table = pd.read_parquet(folder / f"{name}.parquet")
        moments = table.select_dtypes("datetimetz").columns
        table[moments] -= pd.Timedelta(days=900)
        table["listing_id"] = "other-" + table["listing_id"]
        table.to_parquet(folder / f"{name}.parquet", index=False)
    embed_market(Market.open(folder), tmp_path / "run", None, trained.path)
    run = Run.open(tmp_path / "run")
    save_metrics(run, evaluate_run(run, baselines="none"))
    found, split = load_rankings(run), split_of(run)
    queries = queries_of(run, split, found)
    lists = top_listings(run, scorer_of(run, split, "default ranking"), queries, 100)
    for target, rank, best in zip(found["target"], found["rank of default ranking"], lists, strict=True):
        assert rank > 100 or best[rank - 1] == target
    # The end of that training is none from which weeks of this market are counted.
    slices = compare(run, run, other="model + recency").slices
    assert slices and not [name for name in slices if name.startswith("week")]


QUERIES = 60


def table(seed: int, rows: slice = slice(None)) -> pd.DataFrame:
    """Some queries of 12 users as an evaluation writes them, with random places of `seed`."""
    ranks, about = np.random.default_rng(seed), np.random.default_rng(1)
    moments = pd.date_range("2025-01-01", periods=QUERIES, freq="8h", tz="UTC")
    frame = {
        "user_id": [f"u{number}" for number in about.integers(0, 12, QUERIES)],
        "at": moments,
        "target": [f"l{row}" for row in range(QUERIES)],
        "candidates": 90,
        "history_length": about.integers(1, 14, QUERIES),
        "cold_listing": about.random(QUERIES) < 0.4,
        "cold_user": about.random(QUERIES) < 0.3,
        "rank of default ranking": ranks.integers(1, 60, QUERIES),
        "rank of ease": ranks.integers(1, 60, QUERIES),
    }
    return pd.DataFrame(frame).iloc[rows]


@pytest.fixture
def runs(bare, tmp_path):
    """Two folders of runs that were evaluated on overlapping queries."""
    for name, seed, rows in (("one", 5, slice(0, 55)), ("two", 6, slice(3, 60))):
        shutil.copytree(bare.path, tmp_path / name)
        table(seed, rows).to_parquet(tmp_path / name / FILE)
    return tmp_path / "one", tmp_path / "two"


def test_the_figures_are_those_of_a_count_by_hand(runs):
    found = compare(*runs)
    one, two = table(5).iloc[3:55], table(6).iloc[3:55]
    hits = [
        frame.assign(hit=frame["rank of default ranking"] <= 30)
        .groupby("user_id")["hit"]
        .mean()
        .to_numpy(float)
        for frame in (one, two)
    ]
    (slow,) = paired_estimates((hits[0] - hits[1])[:, None])
    assert found.differences["recall@30"] == pytest.approx(slow | {"p_holm": slow["p_value"]})
    assert [found.results[side]["recall@30"]["value"] for side in ("first", "second")] == pytest.approx(
        [part.mean() for part in hits]
    )
    assert found.alone == (3, 5) and len(found.queries) == 52 and found.users == one["user_id"].nunique()
    cold, mask = found.slices["cold listings"], one["cold_listing"].to_numpy()
    assert cold["queries"] == mask.sum() and cold["users"] == one["user_id"][mask].nunique()
    corrected = [part["differences"]["mrr"] for part in found.slices.values()]
    assert all(part["p_holm"] >= part["p_value"] for part in corrected)
    frame = found.frame()
    by_target = one.set_index("target")["rank of default ranking"]
    assert frame["rank_first"].tolist() == by_target[frame["target"]].tolist()
    assert frame["gain"].is_monotonic_decreasing and found.apart["gain"].iloc[0] == frame["gain"].iloc[0]


@pytest.mark.slow
def test_the_command_prints_one_document_and_writes_the_queries(runs, tmp_path):
    out = tmp_path / "queries.parquet"
    done = CliRunner().invoke(
        app, ["compare", *map(str, runs), "--ranking", "ease", "--json", "--queries", str(out)]
    )
    assert done.exit_code == 0, done.exception
    document, found = json.loads(done.stdout), compare(*runs, ranking="ease")
    assert document == json.loads(json.dumps(found.to_dict()))
    assert document["first"]["ranking"] == "ease" and document["second"]["ranking"] == "default ranking"
    assert document["queries"] == len(pd.read_parquet(out)) == 52
    text = CliRunner().invoke(app, ["compare", *map(str, runs)]).stdout
    assert "52 queries" in text and "The first ranked better:" in text


def test_what_each_knew_better_and_where_they_chose_from_others_is_told(runs):
    one, two = table(5).iloc[3:55], table(6).iloc[3:60].copy()
    two.loc[two.index[::7], "candidates"] = 80
    two.to_parquet(runs[1] / FILE)
    found = compare(*runs)
    assert found.other_candidates == (two["candidates"].loc[one.index] == 80).sum() == 8
    ranks = zip(one["rank of default ranking"], two["rank of default ranking"].loc[one.index], strict=True)
    gain = sorted(1 / np.log2(first + 1) - 1 / np.log2(second + 1) for first, second in ranks)
    told = {side: [one["gain"] for one in rows] for side, rows in found.to_dict()["apart"].items()}
    assert told["first"] == pytest.approx(gain[::-1][:5]) and told["second"] == pytest.approx(gain[:5])


def test_what_cannot_be_compared_is_one_sentence(runs, bare):
    with pytest.raises(VibesError, match="'als'"):
        compare(*runs, ranking="als")
    with pytest.raises(VibesError, match="was not evaluated"):
        compare(runs[0], bare)
    for run, protocol in zip(runs, ("leave-one-out", "temporal"), strict=True):
        (run / "metrics.json").write_text(json.dumps({"protocol": protocol, "results": {}}))
    with pytest.raises(VibesError, match="--protocol"):  # one learned from queries of the other
        compare(*runs)
    assert compare(runs[0], runs[0], other="ease").users


def test_a_market_without_photos_and_events_has_the_evidence_of_similar_listings(bare):
    (item,) = home_evidence(bare)
    (neighbors,) = item.strips
    assert item.key == "similar" and f"space={bare.spaces[0]}" in item.more
    assert list(neighbors.listings) == bare.similar(item.lead, k=6)["listing_id"].tolist()


@pytest.mark.slow
def test_the_evidence_of_home_is_of_the_lists_of_the_run_and_is_computed_again_once_it_was_evaluated(
    tmp_path,
):
    market = paint_market(tmp_path / "market", listings=40, photos=2, users=30, events=9)
    run = Run.open(embed_run(market, tmp_path / "run"))
    before = {item.key: item for item in home_evidence(run)}
    assert list(before)[:2] == ["looks", "similar"] and "recall" not in before
    shown = [name for strip in before["looks"].strips for name in strip.listings]
    assert len(shown) == len(set(shown)) and set(shown) <= set(run.market.cover)
    assert len(before["looks"].alike) == len(shown)
    for at, alike in enumerate(before["looks"].alike):
        assert at not in alike and len(set(alike)) == len(alike) and max(alike) < len(shown)
    save_metrics(run, evaluate_run(run))
    after = {item.key: item for item in home_evidence(run)}
    if "recall" in after:
        bars = {bar.method: bar.value for bar in after["recall"].bars}
        assert bars["popularity"] == run.metrics["results"]["popularity"]["recall@30"]["value"]

    history, listed = after["user"].strips
    user, known = (part.partition("=")[2] for part in after["user"].more.partition("?")[2].split("&"))
    events = run.market.events[run.market.events["user_id"] == user]["listing_id"].tolist()
    assert history.listings[-1] == events[int(known) - 1]
    assert listed.hits and set(listed.hits) == set(listed.listings) & set(events[int(known) :])
    assert not set(listed.listings) & set(events[: int(known)])
    if newcomer := after.get("newcomer"):
        assert newcomer.lead not in set(run.market.events["listing_id"])

    (run.path / HOME).write_text("damaged")
    assert home_evidence(run) == list(after.values())


def test_home_and_compare_name_the_same_best_simple_method():
    run = Run.open(bundled_run())
    simple = usual_baseline(run)
    assert simple == best_baseline(run.metrics["results"]) == "content EASE + neighbors + recency"
    (beat,) = (beat for beat in home_evidence(run) if beat.key == "recall")
    assert simple in [bar.method for bar in beat.bars]
