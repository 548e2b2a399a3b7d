"""Where two rankings differ, query by query."""

import numpy as np
import pandas as pd
import pytest

from browser.painted import paint_market, train_run
from helpers.small_market import generate
from listing_vibes import Run
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.insight.comparison import compare
from listing_vibes.insight.disagreements import queries_of, scorer_of, split_of, top_listings
from listing_vibes.insight.rankings import (
    differing_queries,
    distinct_examples,
    join_rankings,
    load_rankings,
    rankers,
)
from listing_vibes.market.market import Market
from listing_vibes.run.spaces import embed_market
from listing_vibes.run.versions import results_of


def frame(**ranks):
    size = len(next(iter(ranks.values())))
    base = {
        "user_id": [f"u{row}" for row in range(size)],
        "at": list(range(size)),
        "target": [f"l{row}" for row in range(size)],
        "history_length": [3] * size,
    }
    return pd.DataFrame(
        base | {f"rank of {name.replace('_', ' ')}": values for name, values in ranks.items()}
    )


def test_only_shared_queries_with_different_ranks_differ_and_the_first_ranks_count_most():
    table = frame(default_ranking=[1, 500, 7, 40, 2], ease=[3, 900, 7, 2, 1])
    found = differing_queries(join_rankings(table, "default ranking", table, "ease"))
    assert found["user_id"].tolist() == ["u0", "u1", "u4", "u3"]
    assert found["first"].tolist() == [1, 500, 2, 40] and found["second"].tolist() == [3, 900, 1, 2]
    assert np.allclose(found["gain"], 1 / np.log2(found["first"] + 1) - 1 / np.log2(found["second"] + 1))
    one, two = frame(default_ranking=[1, 2, 3]), frame(default_ranking=[4, 5, 6]).iloc[1:]
    both = differing_queries(join_rankings(one, "default ranking", two, "default ranking"))
    assert both["user_id"].tolist() == ["u1", "u2"]
    for at in (99, pd.Timestamp("2025-01-01", tz="UTC")):  # another position, and moments
        with pytest.raises(VibesError, match="share no test query"):
            join_rankings(one, "default ranking", one.assign(at=at), "default ranking")


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
