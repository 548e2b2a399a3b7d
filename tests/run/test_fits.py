"""What was fitted is kept, read back the same, and recommends as the row of the table does."""

from types import SimpleNamespace

import numpy as np
import pytest

from browser.painted import paint_market, train_run
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import blends_of, evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.market.splits import make_split
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.fits import FILE, copy_fits, load_fits, save_fits
from listing_vibes.run.run import Run
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.scorer import VectorScorer
from listing_vibes.search.index import ExactIndex


def near(space: str) -> BlendWeights:
    weights = {"model": 1.0, space: 0.5}
    return BlendWeights(name="model only + neighbors", weights=weights, scales=dict.fromkeys(weights, 1.0))


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
    index = ExactIndex.of_stored(vectors)
    given = {
        "spaces": ["attributes"], "index": lambda space: index, "vectors": lambda space: index.vectors, "path": tmp_path,
    }  # fmt: skip
    manifest = SimpleNamespace(settings=SimpleNamespace(seed=0))
    run = SimpleNamespace(log=log, catalogue=catalogue, manifest=manifest, **given)
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


def test_nothing_is_kept_without_a_fit_and_a_damaged_file_is_named(tmp_path):
    assert load_fits(tmp_path) == []
    (tmp_path / FILE).write_text('[{"name": "model + luck", "luck": 7}]')
    with pytest.raises(VibesError, match=r"serving\.json is damaged \(.*\); evaluate the run again"):
        load_fits(tmp_path)


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
        assert len(run.recommend("u1", 3, blend="neighbors")) == 3
        save_fits(results_of(run.path), [near("ids")])
        with pytest.raises(VibesError, match="id model"):
            run.recommend("u1", blend="neighbors")
    finally:
        save_fits(results_of(run.path), kept)
