"""The examples that the docstrings of `batches`, `step` and `sequences` work through are what the code does."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.featurizer import Features
from listing_vibes.features.sequences import Meta, history_sequences
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE, TYPE_CLS, TYPE_CONTENT, TYPE_META, Tokens
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.settings import ResolvedTraining
from listing_vibes.training.batches import history_batches, window_batches
from listing_vibes.training.candidates import candidate_masks, draw_candidates
from listing_vibes.training.examples import make_examples


class Drawing:
    """A generator that draws what the example says is drawn."""

    def choice(self, pool, size, replace):
        assert 8 in pool
        return np.array([8][:size], int)


NONE = np.zeros((0, 4), np.float32)


def tokens(sizes: list[int]) -> Tokens:
    """Listings of so many tokens, each with a key of its own; the second token of a listing is a photo."""
    n, none = sum(sizes), np.zeros(sum(sizes), np.int32)
    second = np.concatenate([np.arange(size) == 1 for size in sizes])
    return Tokens(
        offset=np.concatenate([[0], np.cumsum(sizes)]),
        key=10 + np.arange(n, dtype=np.int32),
        value=none,
        bin=none,
        fraction=none.astype(np.float32),
        photo=np.where(second, 0, -1).astype(np.int32),
        text=none - 1,
        set_offset=np.zeros(n + 1, np.int64),
        set_member=none[:0],
    )


@pytest.fixture
def case(tmp_path):
    pd.DataFrame({C.LISTING: [f"l{n}" for n in range(10)], "price": range(10)}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    rows = [("ann", 3), ("ann", 7), ("ann", 3), ("ann", 5), ("bob", 7), ("bob", 9), ("cy", 8)]
    pd.DataFrame(
        [(user, f"l{listing}", moment) for moment, (user, listing) in enumerate(rows)],
        columns=[C.USER, C.LISTING, C.POSITION],
    ).to_csv(tmp_path / "events.csv", index=False)
    market = Market.open(tmp_path)
    log = EventLog.from_market(market)
    nothing = np.zeros(0, np.int64)
    split = Split("temporal", None, None, np.ones(len(log), bool), nothing, nothing)
    return log, Catalogue.of(market), make_examples(log, split, 3)


def test_three_examples_in_two_windows(case):
    log, _, examples = case
    assert examples.positive.tolist() == [[7, 5, -1], [5, -1, -1], [9, -1, -1]]
    assert list(zip(examples.start, examples.end, strict=True)) == [(0, 1), (0, 3), (4, 5)]
    (alone,) = history_batches(examples, np.ones(3), batch=9, per_user=9, seed=0, epoch=0)
    assert len(alone) == len(alone.first) == 3
    inputs = Inputs(Features(tokens([1] * 10), NONE, NONE), log.listing, None, 50, 100)
    (batch,) = window_batches(examples, inputs, batch=9, listings=99, seed=0, epoch=0)
    order = np.argsort(batch.first)
    assert batch.first[order].tolist() == [0, 4] and batch.end[order].tolist() == [3, 5]
    ends = np.concatenate([np.arange(f, e) for f, e in zip(batch.first, batch.end, strict=True)])  # (R,)
    assert len(ends) == 4
    assert sorted(zip(batch.rows, ends[batch.place] + 1, strict=True)) == [(0, 1), (1, 3), (2, 5)]


def test_what_each_softmax_compares(case):
    log, catalogue, examples = case
    warm = np.flatnonzero(np.bincount(log.listing, minlength=10))
    assert warm.tolist() == [3, 5, 7, 8, 9]
    fresh, bank = (
        draw_candidates(examples.positive, warm, one, Drawing())
        for one in ResolvedTraining(fresh=1).candidate_sets()
    )
    assert fresh.listing.tolist() == [5, 7, 8, 9] and fresh.fresh == 4
    assert bank.listing.tolist() == [3, 5, 7, 8, 9] and bank.fresh == 0
    rows = np.arange(3)
    for candidates in (fresh, bank):
        _, negative, _ = candidate_masks(candidates, examples, log, catalogue, rows, masked=True)
        found = [set(candidates.listing[mask].tolist()) for mask in negative]
        assert found[0] == found[1] == {8, 9} and found[2] == set(candidates.listing.tolist()) - {7, 9}


def test_a_history_of_two_listings_is_six_tokens():
    meta = Meta(action=np.array([7, 7], np.int32), duration=np.zeros(2, np.int32))
    found = history_sequences(
        tokens([2, 1]), np.array([0, 1]), np.array([0]), np.array([2]), meta, max_listings=50, max_tokens=99
    )
    assert found.length.tolist() == [6]
    assert found.key[[1, 3, 4]].tolist() == [12, 10, 11] and found.value[[2, 5]].tolist() == [7, 7]
    assert found.position.tolist() == [0, 1, 0, 1, 2, 0]
    assert found.item.tolist() == [0, 1, 1, 2, 2, 2]
    attribute, meta_type, content = TYPE_ATTRIBUTE, TYPE_META, TYPE_CONTENT
    assert found.type.tolist() == [TYPE_CLS, attribute, meta_type, attribute, content, meta_type]
