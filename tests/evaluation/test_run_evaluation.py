"""`listing_vibes.evaluate`: what the command measures and keeps, as a frame and as a table in a notebook."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.copies import copied
from helpers.newcomers import Shop
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import differences_frame, results_frame, slices_frames
from listing_vibes.evaluation.run_evaluation import better_blend, evaluate, evaluate_run, rank_queries
from listing_vibes.insight.comparison import compare
from listing_vibes.insight.quality import describe_notes
from listing_vibes.insight.rankings import load_rankings, rankers
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.progress import Notice
from listing_vibes.run.blends import load_blends
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.words import WIDTH, render_table


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
        len(load_rankings(Run.open(run))) == len(found.queries)
        and load_blends(run)
        and trained.metrics is None
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
    slow = {"EASE", "ALS", "content EASE", "content EASE + neighbors + recency", "model + covisits"}
    assert set(everything.ranks) - set(fast.ranks) == slow and "left out" not in everything.notes
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


@pytest.mark.slow
def test_fewer_baselines_or_users_never_replace_a_fuller_evaluation(trained, tmp_path):
    path, notices = copied(trained, tmp_path).path, []

    def measure(**options):
        return evaluate(
            path, progress=lambda one: notices.append(one) if isinstance(one, Notice) else None, **options
        )

    full = measure(baselines="fast")
    for less in ({"baselines": "none"}, {"baselines": "fast", "users": 5}):
        measure(**less)
        assert list(Run.open(path).metrics["results"]) == list(full.results)
        assert rankers(load_rankings(Run.open(path))) == full.names
        assert Run.open(path).metrics["users"] == len(full.users)
    assert len(notices) == 2 and "saved evaluation with more baselines" in notices[0].text


def test_of_two_samples_the_larger_one_stays(trained, tmp_path):
    path = copied(trained, tmp_path).path
    for users, saved in ((8, 8), (3, 8), (10, 10)):
        evaluate(path, baselines="none", users=users)
        assert Run.open(path).metrics["users"] == saved


def test_a_p_value_is_the_same_in_a_comparison_and_in_the_evaluation(trained, tmp_path):
    run = copied(trained, tmp_path)
    found = evaluate(run.path, baselines="none")
    for name in found.names[1:]:
        (compared, measured) = (
            compare(run.path, run.path, other=name).differences[metric]
            if metric
            else found.differences[f"default ranking - {name}"]["recall@30"]
            for metric in ("recall@30", "")
        )
        assert compared == pytest.approx(measured)


@pytest.mark.slow
def test_events_that_a_refresh_brings_are_no_part_of_the_test_until_asked_for(trained, tmp_path):
    run = copied(trained, tmp_path)
    first = evaluate(run.path, baselines="none")
    events, shop = run.market.events, Shop(run, tmp_path)
    users = events["user_id"].unique()
    rng = np.random.default_rng(0)
    later = pd.DataFrame(
        {
            "user_id": np.repeat(users, 4),
            "listing_id": rng.choice(run.listing_ids, 4 * len(users)),
            "timestamp": events["timestamp"].max() + pd.to_timedelta(1 + np.arange(4 * len(users)), "s"),
        }
    )
    shop.deliver("later", events=later)
    look = shop.refresh()
    assert look.published and look.events == len(later)
    again = evaluate(run.path, baselines="none")
    assert len(again.queries) == len(first.queries) and again.results == first.results
    newer = evaluate(run.path, baselines="none", new_test=True)
    assert len(newer.queries) > len(first.queries)
    assert f"{len(newer.queries) - len(first.queries):,} newer" in again.notes["test set"]
    assert "test set" not in newer.notes
    assert len(evaluate(run.path, baselines="none").queries) == len(newer.queries)


SCORERS = ["model", "model + recency"]


def estimate(value, low=0.1, high=0.2):
    return {"value": value, "low": low, "high": high, "p_holm": 0.0001}


def slices(names):
    return {
        name: {
            "queries": 1000 * (place + 1),
            "results": {
                scorer: {"recall@30": {"value": (place + row) / 1000}} for row, scorer in enumerate(SCORERS)
            },
        }
        for place, name in enumerate(names)
    }


def test_slices_have_a_column_each_and_weeks_a_frame_of_their_own_where_they_are_few():
    names = ["cold listings", "warm listings", "history 1", "history 10+"]
    others, weeks = slices_frames(slices([*names, "week 1", "week 2"]), SCORERS, "recall@30")
    assert others.columns.tolist() == ["", *names] and weeks.columns.tolist() == ["", "week 1", "week 2"]
    assert others["history 1"].tolist() == ["3,000", "0.002", "0.003"]
    many = slices([f"week {number}" for number in range(1, 14)])
    many["cold users"] = {"queries": 0, "results": {}}
    (only,) = slices_frames(many, SCORERS, "recall@30")
    assert only["cold users"].tolist() == ["0", "-", "-"]


def test_results_and_differences_have_their_intervals():
    results = results_frame({"model": {"recall@30": estimate(0.15), "ndcg@30": estimate(0.05, None, None)}})
    assert results.to_numpy().tolist() == [["model", "0.150 .100-.200", "0.050 one user"]]
    assert results.columns.tolist() == ["", "recall@30", "NDCG@30"]
    pairs = differences_frame(
        {"model - ease": dict.fromkeys(("recall@10", "ndcg@10", "recall@30"), estimate(0.15))}
    )
    assert pairs.columns.tolist() == ["", "recall@10", "NDCG@10", "recall@30"]
    assert set(pairs.iloc[0, 1:]) == {"+0.150 (+0.100 to +0.200) p < .001"}


def test_the_first_line_names_the_cheapest_ranking_that_is_as_good(random_split):
    log, split, catalogue = random_split(3, users=60, listings=70, events=900)

    class Guess:
        def __init__(self, name, share):  # the share of queries in which it knows the target
            self.name, self.share = name, share

        def score(self, batch):
            scores = np.random.default_rng(0).random((len(batch), log.listings), np.float32)
            known = np.flatnonzero(batch.event % 100 < 100 * self.share)
            scores[known, batch.target[known]] = 2
            return scores

    def verdict(**shares):
        names = {"default_ranking": 0.9, "model_only": 0.8, **shares}
        scorers = [Guess(name.replace("_", " "), share) for name, share in names.items()]
        return rank_queries(scorers, log, split, catalogue)

    ahead = verdict(popularity=0.0, attribute_neighbors=0.1)
    assert "significantly ahead of every baseline" in ahead.verdict and repr(ahead).startswith(ahead.verdict)
    cheap = verdict(popularity=0.0, EASE=0.9, text_neighbors=0.88, attribute_neighbors=0.9).verdict
    assert "not significantly ahead of attribute neighbors" in cheap and "vibes embed" in cheap
    assert "not significantly ahead of EASE" in verdict(popularity=0.0, EASE=0.9).verdict
    assert verdict().verdict == ""


def test_a_table_aligns_numbers_to_the_right_keeps_every_text_and_fits_the_screen():
    frame = pd.DataFrame({"id": ["a[b]", ":smile:"], "score": [0.5, 12], "missing": [None, "x"]})
    lines = render_table(frame).splitlines()
    assert len({len(line) for line in lines}) <= 3 and lines[1].split() == ["a[b]", "0.5", "-"]
    assert lines[2].split() == [":smile:", "12.0", "x"] and lines[1].index("0.5") > lines[2].index("12.0")
    wide = pd.DataFrame({f"a long heading {place}": ["word " * 9] for place in range(9)})
    text = render_table(wide)
    assert max(map(len, text.splitlines())) <= WIDTH and text.count("word") == 81
