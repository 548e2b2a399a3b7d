"""`listing_vibes.evaluate`: what the command measures and keeps, as a frame and as a table in a notebook."""

import json

import numpy as np
import pytest

from helpers.copies import copied
from listing_vibes import Run, evaluate
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import better_blend, evaluate_run
from listing_vibes.insight.rankings import load_rankings
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.report.text import describe_notes
from listing_vibes.run.fits import load_fits
from listing_vibes.run.spaces import embed_market


@pytest.fixture(scope="module")
def measured(trained, tmp_path_factory):
    run = copied(trained, tmp_path_factory.mktemp("measured")).path
    return run, evaluate(run)


@pytest.mark.slow
def test_it_measures_what_the_command_does_and_saves_it(measured, trained):
    run, found = measured
    assert found.to_dict() == evaluate_run(trained).to_dict()
    assert Run.open(run).metrics == json.loads(json.dumps(found.to_dict()))
    table = found.frame(slices=True).set_index(["scorer", "slice", "metric"]).sort_index()
    part = found.slices["cold users"]["results"]["popularity"]["recall@30"]
    assert table.index.is_unique and set(table.loc["popularity", "all"].index) == set(
        found.results["popularity"]
    )
    assert table.loc[("popularity", "cold users", "recall@30"), "value"] == part["value"]
    assert repr(found) == found.table() and found._repr_html_().count("<tr>") == len(found.names)
    assert (
        len(load_rankings(Run.open(run))) == len(found.queries) and load_fits(run) and trained.metrics is None
    )


def test_what_cannot_be_measured_is_one_sentence(trained, bare, tmp_path):
    for run, options in (
        (trained, {"protocol": "guess"}),
        (trained, {"baselines": "some"}),
        (trained, {"users": 0}),
        (trained.path, {"protocol": "leave-one-out"}),  # it learned from these queries
        (Run.open(bare.path), {}),  # no events
        (tmp_path, {}),
    ):
        with pytest.raises(VibesError):
            evaluate(run, save=False, **options)


@pytest.mark.slow
def test_baselines_that_take_long_are_left_out_and_it_says_so(trained, measured):
    everything, fast = measured[1], evaluate(trained, baselines="fast", save=False)
    assert set(everything.ranks) - set(fast.ranks) == {"EASE", "ALS"} and "left out" not in everything.notes
    for name in ("popularity", "ItemKNN", "attribute neighbors", "default ranking", "model + recency"):
        assert np.array_equal(everything.ranks[name], fast.ranks[name])
    assert "EASE" in fast.notes["left out"] and "EASE" in describe_notes(fast.to_dict())


def test_without_baselines_the_model_and_its_blends_are_measured(trained):
    alone = evaluate(trained, baselines="none", save=False)
    assert {"default ranking", "model only", "model + recency", "model + neighbors"} <= set(alone.ranks)
    assert not {"popularity", "ItemKNN", "attribute neighbors", "model + ids"} & set(alone.ranks)
    assert alone.notes["left out"]


@pytest.mark.slow
def test_the_default_ranking_of_a_run_without_a_model_is_measured(tiny_market, tmp_path):
    market = Market.open(tiny_market(listings=60, users=40, events_per_user=8, photos=0))
    embed_market(market, tmp_path / "run", None)
    run = Run.open(tmp_path / "run")
    result = evaluate_run(run, baselines="fast")
    assert result.names[0] == "default ranking" and "attributes" in result.notes["default ranking"]
    query = run.split().test.take(slice(0, 1))
    user, target = run.log.users[int(query.user[0])], run.listing_ids[int(query.target[0])]
    listed = run.recommend(user, 60, at=int(query.at[0]))[C.LISTING].tolist()
    assert listed.index(target) + 1 == result.ranks["default ranking"][0]


def test_of_drawn_users_each_query_is_ranked_as_it_was(measured, trained):
    everybody = measured[1]
    ten = evaluate(trained, baselines="none", users=10, save=False)
    assert len(ten.users) == 10 and set(ten.users) < set(everybody.users)
    theirs = np.isin(everybody.queries.user, ten.users)
    assert ten.queries.event.tolist() == everybody.queries.event[theirs].tolist()
    assert ten.ranks["default ranking"].tolist() == everybody.ranks["default ranking"][theirs].tolist()
    assert f"10 of the {len(everybody.users)} users" in describe_notes(ten.to_dict())
    five = evaluate(trained, baselines="none", users=5, save=False)
    assert set(five.users) < set(ten.users)  # a larger number draws the same ones again
    every = evaluate(trained, baselines="none", users=len(everybody.users), save=False)
    assert "drawn" not in every.notes
    assert every.ranks["default ranking"].tolist() == everybody.ranks["default ranking"].tolist()


@pytest.mark.parametrize(
    "recency, neighbors, model_only, blend",
    [
        ((-0.2, 0.06), (-0.095, 0.001), (-0.05, 0.04), "neighbors"),
        ((-0.2, 0.06), (0.1, 0.0), (-0.05, 0.04), "nothing"),
        ((0.05, 0.0), (-0.05, 0.05), (0.0, 1.0), ""),
    ],
)
def test_the_blend_that_is_furthest_and_significantly_ahead_is_named(recency, neighbors, model_only, blend):
    names = {"model + recency": recency, "model + neighbors": neighbors, "model only": model_only}
    differences = {
        f"default ranking - {name}": {"recall@30": {"value": value, "p_holm": p}}
        for name, (value, p) in {**names, "popularity": (-0.9, 0.0)}.items()
    }
    blends = {"model + recency": "recency", "model + neighbors": "neighbors"}
    found = better_blend(differences, blends)
    assert f"`--blend {blend}`" in found if blend else not found
