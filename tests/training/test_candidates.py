"""Every kind of negatives against plain loops: what is a positive, what must never be a negative, how likely each is."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import CandidateSet, ResolvedTraining
from listing_vibes.training.candidates import candidate_masks, draw_candidates, inclusion_probability
from listing_vibes.training.examples import make_examples

KINDS = list(itertools.product(["bank", "in-batch"], ["fresh", "bank"], [0, 6], [8, 1000]))


@pytest.fixture(scope="module", params=["temporal", "leave-one-out"])
def case(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("market")
    rng = np.random.default_rng(3)
    pd.DataFrame(
        {
            C.LISTING: [f"l{n}" for n in range(30)],
            "price": rng.random(30),
            C.PUBLISHED: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 30, 30), unit="D"),
        }
    ).to_csv(path / "listings.csv", index=False)
    pd.DataFrame(
        {
            C.USER: rng.choice([f"u{n}" for n in range(20)], 260),
            C.LISTING: rng.choice([f"l{n}" for n in range(28)], 260),  # two listings without any event
            C.TIMESTAMP: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 260), unit="D"),
        }
    ).to_csv(path / "events.csv", index=False)
    market = Market.open(path)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue, request.param)
    warm = np.flatnonzero(log.counts(split.train) > 0)
    return log, catalogue, split, make_examples(log, split, 3), warm


def config(kind) -> CandidateSet:
    negatives, vectors, fresh, bank = kind
    return CandidateSet(negatives, vectors == "bank", fresh, bank)


def test_leave_one_out_asks_nobody_when_a_negative_was_live(case):
    log, _, _, examples, warm = case
    rows = np.arange(0, len(examples), 5)
    drawn = draw_candidates(examples.positive[rows], warm, config(KINDS[0]), np.random.default_rng(1))
    never = Catalogue(np.full(log.listings, 1 << 62), np.full(log.listings, 1 << 62))
    given = drawn, examples, log, never, rows, True
    assert not candidate_masks(*given)[1].any()
    negative = candidate_masks(*given, live=False)[1]
    assert negative.any()
    for line, example in zip(negative, rows, strict=True):
        history = log.listing[examples.start[example] : examples.end[example]]
        assert not np.isin(drawn.listing[line], history).any()


@pytest.mark.parametrize("kind", KINDS)
def test_masks_by_hand(case, kind):
    log, catalogue, split, examples, warm = case
    masked = split.protocol == "temporal"
    rows = np.arange(0, len(examples), 5)
    own = examples.positive[rows]
    candidates = draw_candidates(own, warm, config(kind), np.random.default_rng(1))
    positive, negative, first = candidate_masks(candidates, examples, log, catalogue, rows, masked)
    for b, e in enumerate(rows):
        future = split.train & (log.user == examples.user[e])
        if not masked:
            future[: examples.end[e]] = False
        never = set(log.listing[future].tolist())
        assert not never & set(candidates.listing[negative[b]].tolist())
        assert not set(own[b].tolist()) & set(candidates.listing[negative[b]].tolist())
        assert set(candidates.listing[negative[b]].tolist()) <= set(warm.tolist())
        if masked:
            assert (catalogue.since[candidates.listing[negative[b]]] <= examples.at[e]).all()
        assert sorted(candidates.listing[positive[b]].tolist()) == sorted(set(own[b][own[b] >= 0].tolist()))
        assert candidates.listing[first[b]] == own[b, 0] and positive[b, first[b]]
        # Nothing else is kept out: a column that may be a negative is one.
        for c in np.flatnonzero(candidates.negative & ~positive[b] & ~negative[b]):
            dead = masked and not (
                catalogue.since[candidates.listing[c]]
                <= examples.at[e]
                < catalogue.until[candidates.listing[c]]
            )
            assert dead or int(candidates.listing[c]) in never


@pytest.mark.parametrize("kind", KINDS)
def test_which_columns_a_kind_of_negatives_has(case, kind):
    _, _, _, examples, warm = case
    negatives, vectors, fresh, bank = kind
    rows = np.arange(0, len(examples), 9)
    own = set(examples.positive[rows].ravel().tolist()) - {-1}
    candidates = draw_candidates(examples.positive[rows], warm, config(kind), np.random.default_rng(1))
    with_gradient = candidates.listing[: candidates.fresh]
    assert (candidates.listing[candidates.fresh :] == warm[candidates.bank_rows]).all()
    read_as_negative = candidates.listing[candidates.negative]
    assert len(np.unique(read_as_negative)) == len(read_as_negative)  # no listing counts twice
    read_as_positive = candidates.listing[candidates.positive]
    assert sorted(read_as_positive.tolist()) == sorted(own)
    assert candidates.positive[: candidates.fresh].any() == (vectors == "fresh")
    assert fresh == 0 or len(set(with_gradient.tolist()) | own) >= fresh
    if negatives == "in-batch":
        assert set(read_as_negative.tolist()) >= own
        assert vectors == "bank" or not len(candidates.bank_rows)
        assert len(read_as_negative) <= len(own) + fresh
    elif bank >= len(warm):
        assert set(read_as_negative.tolist()) == set(warm.tolist())
    if negatives == "bank" and vectors == "fresh" and not fresh:
        assert not candidates.negative[: candidates.fresh].any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [("in-batch", "fresh", 6, 8), ("bank", "fresh", 4, 8)])
def test_the_chance_of_a_column_is_how_often_it_is_a_negative(case, kind):
    _, _, _, examples, warm = case
    settings, draws, slots = config(kind), 2000, 5
    counts = np.bincount(examples.positive[:, 0], minlength=30)
    share, seen, chance = counts / counts.sum(), np.zeros(30), np.zeros(30)
    rng = np.random.default_rng(0)
    for _ in range(draws):
        own = rng.choice(30, slots, p=share)[:, None]
        candidates = draw_candidates(own, warm, settings, rng)
        seen[candidates.listing[candidates.negative]] += 1
        everything = replace(candidates, listing=warm)
        chance[warm] += inclusion_probability(everything, share, slots, len(warm), settings)
    assert np.abs(seen - chance).max() / draws < 0.04


def test_a_whole_bank_needs_no_correction(case):
    _, _, _, examples, warm = case
    settings = config(("bank", "fresh", 6, 1000))
    candidates = draw_candidates(examples.positive[:9], warm, settings, np.random.default_rng(0))
    assert (inclusion_probability(candidates, np.full(30, 0.1), 9, len(warm), settings) == 1).all()


def test_negatives_from_no_bank_are_refused():
    with pytest.raises(ValidationError, match="bank_size is 0"):
        ResolvedTraining(negatives="bank", bank_size=0)


@pytest.mark.parametrize(
    "changes, wanted",
    [
        ({}, [("in-batch", False, 6), ("bank", True, 0)]),
        ({"bank_size": 0}, [("in-batch", False, 6)]),
        ({"negatives": "bank"}, [("bank", False, 6)]),
        ({"negatives": "in-batch"}, [("in-batch", False, 6)]),
    ],
)
def test_which_losses_a_step_averages(changes, wanted):
    training = ResolvedTraining.model_validate({"negatives": "apart", "fresh": 6, **changes})
    found = training.candidate_sets()
    assert [(one.negatives, one.stale_positives, one.fresh) for one in found] == wanted
    (frozen,) = training.candidate_sets(frozen=True)
    assert (frozen.negatives, frozen.stale_positives, frozen.fresh) == ("bank", True, 0)


def test_apart_no_candidate_of_the_bank_is_compared_with_a_fresh_one(case):
    _, _, _, examples, warm = case
    own = examples.positive[:9]
    fresh, bank = (
        draw_candidates(own, warm, one, np.random.default_rng(0))
        for one in ResolvedTraining(fresh=6).candidate_sets()
    )
    assert len(fresh.bank_rows) == 0 and fresh.fresh == len(fresh.listing) >= 6
    assert bank.fresh == 0 and (bank.listing == warm).all() and bank.negative.all()
    assert sorted(bank.listing[bank.positive]) == sorted(set(own[own >= 0].tolist()))
