"""Places are branches of a tree over the listings: each taste is one of them."""

import numpy as np
import pytest

from listing_vibes.insight.demand import places as module
from listing_vibes.insight.demand.places import candidate_places


def tastes(each=40, count=5, width=16, seed=0):
    rng = np.random.default_rng(seed)
    centre = np.eye(width)[:count]
    vectors = np.repeat(centre, each, axis=0) + rng.normal(0, 0.08, (each * count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("single", [1000, 50])  # single listings, or groups first
def test_every_taste_is_a_place(monkeypatch, single):
    monkeypatch.setattr(module, "SINGLE", single)
    monkeypatch.setattr(module, "GROUPS", 60)
    found = candidate_places(tastes())
    assert all(20 <= len(rows) <= 67 for rows in found)
    for taste in range(5):
        assert any(rows.tolist() == list(range(40 * taste, 40 * taste + 40)) for rows in found)


def test_too_few_listings_have_no_place():
    assert candidate_places(tastes(each=10)) == []
