"""Evaluations of every version open with the names that rankings have now."""

import json

import pandas as pd
import pytest

from listing_vibes.insight.comparison import compare
from listing_vibes.insight.rankings import load_rankings, rankers
from listing_vibes.run.fits import FILE, load_fits
from listing_vibes.run.metrics_file import parse_metrics
from listing_vibes.run.named import named_model
from listing_vibes.run.run import Run

ONE, TWO, THREE = ({"recall@30": {"value": value, "low": 0.0, "high": 1.0}} for value in (0.1, 0.2, 0.3))
NOTE = "listed with recency; model alone is not, nor what is below it"


def stored(**results):
    names = {name.replace("_", " ").replace("plus", "+"): one for name, one in results.items()}
    return {
        "results": names,
        "differences": {f"model - {name}": one for name, one in names.items() if name != "model"},
        "slices": {"cold users": {"queries": 3, "users": 2, "results": names}},
        "stability": [{"by": "week", "group": "1", "scorer": name, "value": 0.5} for name in names],
        "notes": {"model": NOTE, "model + recency": "model + 0.2 x log(1 + events)", "left out": "als"},
    }


def test_the_default_ranking_is_no_longer_called_model():
    old = stored(model=ONE, model_alone=TWO, model_plus_neighbours_plus_recency=THREE, text_neighbours=TWO)
    found = parse_metrics(old)
    assert found["results"] == {
        "default ranking": ONE,
        "model only": TWO,
        "model only + neighbors + recency": THREE,
        "text neighbors": TWO,
    }
    assert found["slices"]["cold users"]["results"] == found["results"]
    assert [row["scorer"] for row in found["stability"]] == list(found["results"])
    assert set(found["differences"]) == {
        f"default ranking - {name}" for name in found["results"] if name != "default ranking"
    }
    assert found["notes"] == {
        "default ranking": "listed with recency",
        "model only + recency": "model only + 0.2 x log(1 + events)",
        "left out": "als",
    }
    assert parse_metrics(found) == found


def test_where_nothing_was_added_the_default_ranking_is_the_model_only():
    found = parse_metrics(stored(model=ONE, model_plus_id_blend=TWO))
    assert list(found["results"].items()) == [
        ("default ranking", ONE), ("model only", ONE), ("model only + ids", TWO),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["demo", "without-photos"])
def test_bundled_evaluations_have_the_names_of_today(name):
    run = Run.open(named_model("demo").with_name("run" if name == "demo" else name), events_too=False)
    results = run.metrics["results"]
    assert list(results)[:3] == ["default ranking", "model only", "model only + recency"]
    assert rankers(load_rankings(run)) == list(results)
    assert [fit.added for fit in load_fits(run.path)][:3] == ["recency", "neighbors", "neighbors+recency"]
    both = compare(run, run, ranking="model + recency", other="model")
    assert [ranking for _, ranking in both.names] == ["model only + recency", "default ranking"]
    assert both.results["first"]["recall@30"]["value"] == pytest.approx(
        results["model only + recency"]["recall@30"]["value"]
    )


def test_stored_ranks_of_an_earlier_version_are_read_by_their_new_names(trained, tmp_path):
    from helpers.copies import copied

    run = copied(trained, tmp_path)
    frame = {
        "user_id": ["u"],
        "at": [1],
        "target": ["l"],
        "rank of model": [3],
        "rank of model + neighbours": [2],
    }
    pd.DataFrame(frame).to_parquet(run.path / "queries.parquet")
    (run.path / FILE).write_text(json.dumps([{"name": "model + neighbours + recency"}]))
    found = load_rankings(run)
    assert rankers(found) == ["default ranking", "model only", "model only + neighbors"]
    assert found.iloc[0, -3:].tolist() == [3, 3, 2]
    assert [fit.name for fit in load_fits(run.path)] == ["model only + neighbors + recency"]
