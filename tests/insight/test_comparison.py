"""Two rankings of the same queries: the figures are those of an evaluation, and of a slow count by hand."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from listing_vibes import compare
from listing_vibes.cli import app
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import paired_estimates
from listing_vibes.evaluation.saved import QUERIES as FILE

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
