"""What was fitted is kept, read back the same, and recommends as the row of the table does."""

from types import MethodType, SimpleNamespace

import numpy as np
import pytest

from browser.painted import paint_market, train_run
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import blends_of, evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import Queries, make_split
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.fits import FILE, copy_fits, load_fits, save_fits
from listing_vibes.run.folder import MINUTE, RunFolder
from listing_vibes.run.histories import of_users
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.scorer import VectorScorer


def near(space: str) -> BlendWeights:
    weights = {"model": 1.0, space: 0.5}
    return BlendWeights(name="model only + neighbors", weights=weights, scales=dict.fromkeys(weights, 1.0))


ROWS = ["recency", "neighbors", "neighbors+recency"]


@pytest.mark.parametrize("timed", [True, False])
def test_a_row_is_scored_again_from_its_stored_weights(random_log, always_live, tmp_path, timed):
    log = random_log(3, users=60, listings=70, events=900, timed=timed)
    split, catalogue = make_split(log, always_live(log)), always_live(log)
    rng = np.random.default_rng(0)
    vectors, own = rng.normal(size=(2, log.listings, 8)).astype(np.float32)
    histories = rng.normal(size=(len(log.users), 8)).astype(np.float32)
    model = VectorScorer("model", own, lambda start, end: histories[log.user[start]], log)
    near = {"attributes": VectorNeighbors.of(vectors, log, name=NEIGHBORS["attributes"])}
    first = [Ease.fit(Interactions.of(log, split.train))]
    rows = blends_of(model, first, near, log, split, catalogue)
    save_fits(tmp_path, [row.weights for row in rows])
    manifest = SimpleNamespace(settings=SimpleNamespace(seed=0))
    run = SimpleNamespace(
        log=log,
        catalogue=catalogue,
        spaces=["attributes"],
        vectors=lambda space: vectors,
        path=tmp_path,
        manifest=manifest,
    )
    for row, fit in zip(rows, load_fits(tmp_path), strict=True):
        again = RunBlend(run, fit, split.train).scorer(model, log)
        assert again.name == row.name
        np.testing.assert_allclose(again.score(split.test), row.score(split.test), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("fitted")
    path = train_run(
        paint_market(folder / "market", listings=24, photos=1, users=8, events=9), folder / "run"
    )
    save_metrics(Run.open(path), evaluate_run(Run.open(path)))
    return Run.open(path)


@pytest.mark.parametrize("timed", [True, False])
def test_what_is_recent_is_counted_by_the_minute_and_never_without_the_last_event(timed):
    after = 10 * MINUTE + 5  # behind the last event
    run = SimpleNamespace(after_last_event=after, market=SimpleNamespace(timed=timed))
    run.counted_at = MethodType(RunFolder.counted_at, run)
    maker = Recommender(
        run,
        "model",
        Rules(),
        SimpleNamespace(has_recent=True, gain=lambda at: at),
    )
    for at, counted in (
        (after - 3, after - 3), (after, after), (after + 1, after), (11 * MINUTE - 1, after), (11 * MINUTE, 11 * MINUTE),
        (14 * MINUTE + 7, 14 * MINUTE),
    ):  # fmt: skip
        assert maker.gain_at(at) == (counted if timed else after)
    assert Recommender(run, "model", Rules()).gain_at(after) is None


def test_nothing_is_kept_without_a_fit_and_a_damaged_file_is_named(tmp_path):
    assert load_fits(tmp_path) == []
    (tmp_path / FILE).write_text('[{"name": "model + luck", "luck": 7}]')
    with pytest.raises(VibesError, match=r"serving\.json is damaged \(.*\); evaluate the run again"):
        load_fits(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("added", ROWS)
def test_it_recommends_what_the_row_puts_first(run, added):
    (fit,) = [item for item in load_fits(run.path) if item.parts == added]
    names = {name: weight for name, weight in fit.weights.items() if name not in ("text", "age")}
    fit = fit.model_copy(update={"weights": names | ({"recent": 0.3} if "recent" in names else {})})
    before = load_fits(run.path)
    save_fits(results_of(run.path), [fit])
    try:
        found = run.recommend("u1", 5, blend=added)
        log, start, end = of_users(run, ["u1"], None)
        none = np.array([-1])
        query = Queries(none, none, none, np.array([run.after_last_event]), start, end, masked=True)
        total = run.engine.encode_histories(log, start, end, run.vectors("model"))[0] @ run.vectors("model").T
        total = total * fit.factor("model")
        weight = np.zeros(log.listings)
        for age, listing in enumerate(
            dict.fromkeys(log.listing[query.start[0] : query.end[0]][::-1].tolist())
        ):
            weight[listing] = 0.8**age
        for space in {"attributes", "photos"} & fit.weights.keys():
            near = (weight @ run.vectors(space)) @ run.vectors(space).T / weight.sum()
            total = total + fit.factor(space) * near
        if "recent" in fit.weights:
            recent = (log.time < query.at[0]) & (log.time >= query.at[0] - 60 * DAY)
            counts = np.bincount(log.listing[recent], minlength=log.listings)
            total = total + fit.factor("recent") * np.log1p(counts)
        live = run.catalogue.candidates(log, query)[0]
        best = [row for row in np.argsort(-total, kind="stable") if live[row]][:5]
        assert found["listing_id"].tolist() == [run.listing_ids[row] for row in best]
        np.testing.assert_allclose(found["score"], total[best], atol=1e-3)
    finally:
        save_fits(results_of(run.path), before)


def test_what_was_not_fitted_is_said(run, tmp_path):
    with pytest.raises(VibesError, match=r"'luck'; .* has recency, neighbors, neighbors\+recency, ids"):
        run.recommend("u1", blend="luck")
    copy_fits(tmp_path / "nowhere", tmp_path)  # a run that was never evaluated has nothing to carry
    assert not (tmp_path / FILE).exists()
    copy_fits(run.path, tmp_path)
    assert load_fits(tmp_path) == load_fits(run.path)
    place = results_of(run.path) / FILE
    place.rename(tmp_path / "away")
    try:
        with pytest.raises(VibesError, match="fit them with `vibes evaluate`"):
            run.recommend("u1", blend="recency")
    finally:
        (tmp_path / "away").rename(place)


def test_neighbours_by_text_are_found_and_a_space_that_is_gone_is_named(run):
    kept = load_fits(run.path)
    try:
        save_fits(results_of(run.path), [near("text")])
        assert len(run.recommend("u1", 3, blend="neighbours")) == 3
        save_fits(results_of(run.path), [near("ids")])
        with pytest.raises(VibesError, match="id model"):
            run.recommend("u1", blend="neighbours")
    finally:
        save_fits(results_of(run.path), kept)
