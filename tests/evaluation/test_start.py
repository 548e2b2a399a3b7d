"""`listing_vibes.evaluate`: what the command measures and keeps, as a frame and as a table in a notebook."""

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from helpers.copies import copied
from listing_vibes import Run, evaluate
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.report.text import also_told


@pytest.fixture(scope="module")
def measured(trained, tmp_path_factory):
    run = copied(trained, tmp_path_factory.mktemp("measured")).path
    return run, evaluate(run)


@pytest.mark.slow
def test_it_measures_what_the_command_does_and_keeps_it(measured, trained):
    run, found = measured
    assert found.to_dict() == evaluate_run(trained).to_dict()
    assert json.loads((run / "metrics.json").read_text()) == json.loads(json.dumps(found.to_dict()))
    assert (run / "queries.parquet").is_file() and (run / "serving.json").is_file()
    assert not (trained.path / "metrics.json").exists()


@pytest.mark.slow
def test_its_frame_has_every_figure_once(measured):
    found = measured[1]
    frame = found.frame()
    assert frame.columns.tolist() == ["scorer", "metric", "value", "low", "high"]
    table = frame.set_index(["scorer", "metric"])
    assert table.index.is_unique
    assert len(table) == sum(map(len, found.results.values()))
    for scorer, results in found.results.items():
        for metric, estimate in results.items():
            assert table.loc[(scorer, metric)].to_dict() == estimate
    sliced = found.frame(slices=True)
    whole = sliced[sliced["slice"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole[frame.columns], frame)
    assert set(whole["queries"]) == {len(found.queries)} and set(whole["users"]) == {len(found.users)}
    some = next(name for name, part in found.slices.items() if part["results"])
    one = sliced[(sliced["slice"] == some) & (sliced["metric"] == "recall@30")].set_index("scorer")
    for scorer, results in found.slices[some]["results"].items():
        assert one.loc[scorer, "value"] == results["recall@30"]["value"]
        assert one.loc[scorer, "queries"] == found.slices[some]["queries"]


def test_it_shows_itself_as_a_table(measured):
    found = measured[1]
    assert repr(found) == found.table()
    html = found._repr_html_()
    assert found.headline in html
    body = ElementTree.fromstring(html[html.index("<table") :]).findall("tbody/tr")
    shown = [[cell.text for cell in row] for row in body]
    assert [row[0] for row in shown] == found.names
    for name, *cells in shown:
        values = [f"{estimate['value']:.3f}" for estimate in found.results[name].values()]
        assert [cell.split()[0] for cell in cells] == values


def test_what_cannot_be_measured_is_one_sentence(trained, bare, tmp_path):
    with pytest.raises(VibesError, match="protocol is 'guess'; use temporal or leave-one-out"):
        evaluate(trained, "guess")
    with pytest.raises(VibesError, match="it learned from"):
        evaluate(trained.path, "leave-one-out")
    with pytest.raises(VibesError, match="no events, so there is nothing to evaluate"):
        evaluate(Run.open(bare.path))
    with pytest.raises(VibesError, match="is no run folder"):
        evaluate(tmp_path)


@pytest.mark.slow
def test_rivals_that_take_long_are_left_out_and_it_says_so(trained):
    whole, fast = evaluate(trained, save=False), evaluate(trained, baselines="fast", save=False)
    assert set(whole.ranks) - set(fast.ranks) == {"ease", "als"} and "left out" not in whole.notes
    for name in ("popularity", "itemknn", "attribute neighbors", "default ranking", "model only + recency"):
        assert np.array_equal(whole.ranks[name], fast.ranks[name])
    assert fast.notes["left out"] == "EASE (takes long), Implicit ALS (takes long)"
    assert "EASE" in fast.table() and "Not measured beside it: EASE" in also_told(fast.to_dict())


def test_without_rivals_the_model_and_what_serving_adds_are_measured(trained):
    alone = evaluate(trained, baselines="none", save=False)
    assert {"default ranking", "model only", "model only + recency", "model only + neighbors"} <= set(
        alone.ranks
    )
    assert not {"popularity", "itemknn", "attribute neighbors", "model only + ids"} & set(alone.ranks)
    assert "popularity, id models and neighbours" in alone.notes["left out"]
    with pytest.raises(VibesError, match="The baselines are 'some'; use all, fast, none"):
        evaluate(trained, baselines="some", save=False)


@pytest.mark.slow
def test_of_drawn_users_each_query_is_ranked_as_it_was(measured, trained):
    whole = measured[1]
    ten = evaluate(trained, baselines="none", users=10, save=False)
    assert len(ten.users) == 10 and set(ten.users) < set(whole.users)
    theirs = np.isin(whole.queries.user, ten.users)
    assert ten.queries.event.tolist() == whole.queries.event[theirs].tolist()
    assert ten.ranks["default ranking"].tolist() == whole.ranks["default ranking"][theirs].tolist()
    told = f"10 of the {len(whole.users)} users who have a test query, by chance"
    assert ten.notes["drawn"] == told and f"Asked were {told}." in also_told(ten.to_dict())
    five = evaluate(trained, baselines="none", users=5, save=False)
    assert set(five.users) < set(ten.users)  # whoever asks for more, asks the same ones again
    every = evaluate(trained, baselines="none", users=len(whole.users), save=False)
    assert (
        "drawn" not in every.notes
        and every.ranks["default ranking"].tolist() == whole.ranks["default ranking"].tolist()
    )
    with pytest.raises(VibesError, match="0 users are to be asked; give 1 or more"):
        evaluate(trained, users=0, save=False)
