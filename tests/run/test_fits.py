"""What was fitted is kept, read back the same, and recommends as the row of the table does."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from browser.painted import paint_market, train_run
from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import blends_of, evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.market.market import Market
from listing_vibes.market.splits import make_split
from listing_vibes.model.encoder import inference_dtype, precision_name
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.fits import FILE, copy_fits, load_fits, save_fits
from listing_vibes.run.run import Run
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.run.spaces import default_space
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


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market())


def spaces(market: Market, *names: str) -> dict[str, np.ndarray]:
    return {name: np.ones((len(market.listings), 2), np.float32) for name in names}


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [(None, "model"), (0.9, "model"), (0.75, "model"), (0.6, "attributes"), (0.0, "attributes")],
)
def test_a_model_compares_where_it_knows_the_market(market, coverage, expected):
    found = default_space(market, spaces(market, "model", "photos", "attributes"), coverage)
    assert found.space == expected
    assert coverage is None or f"{coverage:.0%}" in found.reason


def test_photos_compare_where_there_are_few_attributes_and_most_listings_have_one(market):
    few = replace(market, attributes=market.attributes[:3])
    there = spaces(market, "photos", "attributes")
    assert default_space(few, there).space == "photos"
    assert default_space(market, there).space == "attributes"
    there["photos"][: len(market.listings) // 2 + 1] = 0
    assert default_space(few, there).space == "attributes"
    assert default_space(few, {"photos": there["photos"]}).space == "photos"


@pytest.mark.parametrize(
    ("queries", "weights", "expected"),
    [
        (500, {"model": 0.3, "attributes": 0.6, "recent": 2.0}, "attributes"),
        (500, {"model": 0.6, "attributes": 0.3, "recent": 2.0}, "model"),
        (500, {"attributes": -0.2, "photos": 0.1}, "photos"),
        (20, {"model": 0.3, "attributes": 0.6}, "model"),
    ],
)
def test_the_fitted_blend_decides_with_enough_validation_queries(market, queries, weights, expected):
    blend = BlendWeights(weights=weights, scales=dict.fromkeys(weights, 1.0), queries=queries)
    there = spaces(market, "model", "photos", "attributes")
    assert default_space(market, there, 0.9, blend).space == expected
    assert default_space(market, there, None, blend).space == "model"


def test_command_python_and_pages_compare_by_the_same_space(tiny_market, tmp_path):
    folder = tiny_market(listings=20, photos=0)
    done = vibes("embed", folder, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    default = run.manifest.default_space
    assert default.space == "attributes" == run.spaces[0] and default.reason in done.stderr
    assert run.similar("l001", k=3).equals(run.similar("l001", k=3, space="attributes"))
    shown = vibes("similar", tmp_path / "run", "l001", "-k", "3", "--json")
    assert json.loads(shown.stdout)[0]["score"] == run.similar("l001", k=1)["score"][0]
    assert default.reason in shown.stderr
    assert default.reason not in vibes("similar", tmp_path / "run", "l001", "--space", "attributes").stderr


def test_every_precision_gives_the_same_vectors_and_is_recorded(trained, bare):
    log, engine = trained.log, trained.engine
    name = precision_name(inference_dtype("auto", engine.model), engine.model)
    assert trained.manifest.encoded_by == name == engine.precision and bare.manifest.encoded_by == ""
    start, end = log.start[:-1], log.start[1:]
    start, end = start[end > start], end[end > start]
    exact = engine.in_float32()
    assert exact.precision == "float32"
    for path, least in (("float32", 0.99999), ("bf16", 0.99)):
        other = replace(engine, settings=engine.settings.model_copy(update={"inference": path}))
        for mine, theirs in (
            (other.encode_listings(), exact.encode_listings()),
            (other.encode_histories(log, start, end), exact.encode_histories(log, start, end)),
        ):
            assert np.sum(mine * theirs, axis=1).min() > least
