"""Candidates against plain loops: what is a positive, what must never be a negative, how likely each is."""

import numpy as np
import pytest

from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.training.examples import (
    bank_candidates,
    candidate_masks,
    fresh_candidates,
    inclusion_probability,
    make_examples,
)


@pytest.fixture(params=["temporal", "leave-one-out"])
def case(request, small_market: Market):
    log, catalogue = EventLog.from_market(small_market), Catalogue.of(small_market)
    split = make_split(log, catalogue, request.param)
    warm = np.flatnonzero(log.counts(split.train) > 0)
    return log, catalogue, make_examples(log, split, 3), warm, request.param == "temporal"


@pytest.mark.parametrize("kind", ["fresh", "bank"])
def test_masks_by_hand(case, kind):
    log, catalogue, examples, warm, masked = case
    rows, rng = np.arange(0, len(examples), 9)[:25], np.random.default_rng(0)
    own = examples.positive[rows]
    draw = fresh_candidates if kind == "fresh" else bank_candidates
    drawn = draw(own, warm, 60, rng)
    positive, negative, first = candidate_masks(drawn, examples, log, catalogue, rows, masked, live=masked)
    assert len(np.unique(drawn.listing)) == len(drawn.listing) and set(own[own >= 0]) <= set(drawn.listing)
    assert np.isin(drawn.listing, warm).all() and (kind == "fresh") == (drawn.bank_rows is None)
    if kind == "bank":
        assert (warm[drawn.bank_rows] == drawn.listing).all()
        assert len(drawn.listing) == max(60, len(np.unique(own[own >= 0])))
    for b, e in enumerate(rows):
        begin, end = examples.train_span[examples.user[e]]
        seen = set(log.listing[begin if masked else examples.end[e] : end].tolist())
        for c, listing in enumerate(drawn.listing):
            active = catalogue.since[listing] <= examples.at[e] < catalogue.until[listing] or not masked
            assert positive[b, c] == (listing in own[b])
            assert negative[b, c] == (active and listing not in seen and listing not in own[b])
        assert drawn.listing[first[b]] == own[b, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fresh", "bank"])
def test_the_probability_of_a_column_is_how_often_it_is_drawn(kind):
    rng, warm, positives = np.random.default_rng(0), np.arange(40), np.array([5, 6, 7, 8])
    share = np.bincount(positives, minlength=40) / 4
    counts, told = np.zeros(40), np.zeros(40)
    for _ in range(3000):
        own = rng.choice(positives, (3, 1)) if kind == "fresh" else np.array([[5]])
        drawn = (fresh_candidates if kind == "fresh" else bank_candidates)(own, warm, 9, rng)
        counts[drawn.listing] += 1
        told[drawn.listing] = inclusion_probability(drawn, share, 3, 40)
    others = np.setdiff1d(warm, [5]) if kind == "bank" else warm
    np.testing.assert_allclose(told[others], counts[others] / 3000, atol=0.04)


def test_a_whole_bank_needs_no_correction():
    drawn = bank_candidates(np.array([[3]]), np.arange(20), 50, np.random.default_rng(0))
    assert (inclusion_probability(drawn, np.zeros(20), 1, 20) == 1).all() and len(drawn.listing) == 20
