"""ItemKNN against loops over sets of users."""

import math

import numpy as np
import pytest

from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines import itemknn
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.interactions import Interactions, history_matrix


def slow_similarity(log, train, shrink: float) -> np.ndarray:
    users = [set(log.user[train & (log.listing == listing)].tolist()) for listing in range(log.listings)]
    found = np.zeros((log.listings, log.listings))
    for i in range(log.listings):
        for j in range(log.listings):
            if i != j and users[i] and users[j]:
                both = len(users[i] & users[j])
                found[i, j] = both / (math.sqrt(len(users[i]) * len(users[j])) + shrink)
    return found


@pytest.mark.parametrize("shrink", [0.0, 7.0])
@pytest.mark.parametrize("block", [4, 1024])
def test_scores_are_those_of_the_slow_twin(random_log, always_live, monkeypatch, shrink, block):
    monkeypatch.setattr(itemknn, "BLOCK", block)
    log = random_log(4)
    split = make_split(log, always_live(log))
    scores = ItemKNN.fit(Interactions.of(log, split.train), shrink, decay=0.6).score(split.test)
    expected = history_matrix(log, split.test.start, split.test.end, 0.6).toarray() @ slow_similarity(
        log, split.train, shrink
    )
    cold = log.counts(split.train) == 0
    assert cold.any() and (scores[:, cold] == -np.inf).all()
    assert scores[:, ~cold] == pytest.approx(expected[:, ~cold], abs=1e-5)


def test_a_limit_keeps_the_strongest_neighbours_of_each_listing(random_log, always_live):
    log = random_log(5)
    split = make_split(log, always_live(log))
    interactions = Interactions.of(log, split.train)
    full = ItemKNN.fit(interactions, 5.0)
    few = ItemKNN.fit(interactions, 5.0, neighbors=4)
    kept = few.similarity.toarray()
    for row in range(len(kept)):
        assert sorted(kept[row][kept[row] > 0]) == pytest.approx(
            sorted(full.similarity[row][full.similarity[row] > 0])[-4:]
        )
        assert np.isin(kept[row][kept[row] > 0], full.similarity[row]).all()
    assert few.score(split.test).shape == full.score(split.test).shape
    everything = ItemKNN.fit(interactions, 5.0, neighbors=log.listings)
    assert everything.score(split.test) == pytest.approx(full.score(split.test), abs=1e-6)
