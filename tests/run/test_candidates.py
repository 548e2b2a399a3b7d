"""Candidates of large markets: a blend as an inner product has the scores of the blend."""

from functools import partial

import numpy as np
import pytest

from listing_vibes.market.splits import Queries
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.ranking import Candidates, weighted_scorers
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.blend import Blend, log_events
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.scorer import VectorScorer


@pytest.fixture
def log(random_log):
    return random_log(3, users=40, listings=300, events=500)


def queries(log) -> Queries:
    start, end = log.start[:-1], log.start[1:]
    none, at = np.full(len(start), -1), np.full(len(start), log.time.max() + 1)
    return Queries(none, np.zeros(len(start), np.int32), none, at, start, end, masked=True)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def blend(log, **scorers) -> Blend:
    rng, names = np.random.default_rng(0), ["model", "attributes", "photos", "recent", *scorers]
    listings, users = unit(rng.normal(size=(300, 8))), unit(rng.normal(size=(40, 8)))
    photos = unit(rng.normal(size=(300, 5)))
    photos[::3] = 0  # a third has no photo
    scorers = {
        "model": VectorScorer("model", listings, lambda *_: users, log),
        "attributes": VectorNeighbors.of(rng.normal(size=(300, 6)), log),
        "photos": VectorNeighbors.of(photos, log),
    } | scorers
    weights = dict(zip(names, [2.0, -0.4, 0.7, 0.3, 0.5], strict=False))
    moments = {"recent": partial(log_events, RecentEvents.over_days(log, 9))}
    fit = BlendWeights(weights=weights, scales=dict.fromkeys(names, 0.25))
    return Blend(fit, scorers, moments)


def test_inner_products_are_the_scores_of_the_blend(log, monkeypatch):
    monkeypatch.setattr("listing_vibes.search.approximate.EXACT_TO", 100)
    batch, scorer = queries(log), blend(log)
    weighted = weighted_scorers(scorer)
    candidates = Candidates(weighted, np.asarray(scorer.gain(batch.at[:1]))[0], batch)
    vectors = candidates.query_vectors(weighted, batch)
    table = np.hstack(candidates.index.parts)
    np.testing.assert_allclose(vectors @ table.T, scorer.score(batch), atol=2e-6)


def test_scores_that_are_no_inner_products_have_no_candidates(log):
    ids = ItemKNN.fit(Interactions.of(log, np.ones(len(log), bool)))
    assert weighted_scorers(blend(log, ids=ids)) is None
    late = VectorScorer("model", np.eye(300, 8, dtype=np.float32), lambda *_: None, log, LateInteraction(0.5))
    assert weighted_scorers(late) is None
