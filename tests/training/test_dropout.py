"""Token dropout: attributes go, one by one; everything else stays, and what stays is unchanged."""

import numpy as np
import pytest

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.run.engine import make_inputs
from listing_vibes.training.dropout import drop_tokens


@pytest.fixture
def case(tiny_market):
    market = Market.open(tiny_market(listings=30, users=12, events_per_user=9))
    log = EventLog.from_market(market)
    featurizer = Featurizer.fit(market, FeatureConfig(text=False), 32, np.arange(30), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, Settings())
    return log, inputs


@pytest.fixture
def sequences(case):
    log, inputs = case
    return inputs.histories(log.start[:-1], log.start[1:])


def tokens(sequences):
    """What each token says, sequence by sequence, in plain lists."""
    found, n = [], 0
    for length in sequences.length:
        rows = []
        for t in range(n, n + length):
            members = sequences.set_member[sequences.set_offset[t] : sequences.set_offset[t + 1]].tolist()
            names = ("key", "value", "bin", "fraction", "photo", "text", "position", "item", "type")
            rows.append((*(getattr(sequences, name)[t] for name in names), tuple(members)))
        found.append(rows)
        n += length
    return found


def test_only_attributes_go_and_the_rest_stays_as_it_was(sequences):
    before, after = tokens(sequences), tokens(drop_tokens(sequences, 0.3, np.arange(12), 0))
    assert len(after) == len(before)
    for was, now in zip(before, after, strict=True):
        left = iter(was)
        assert all(token in left for token in now)  # in the old order
        assert [t for t in was if t[8] != TYPE_ATTRIBUTE] == [t for t in now if t[8] != TYPE_ATTRIBUTE]


def test_the_share_is_what_was_asked_for(sequences):
    count = (sequences.type == TYPE_ATTRIBUTE).sum()
    left = (drop_tokens(sequences, 0.3, np.arange(12), 0).type == TYPE_ATTRIBUTE).sum()
    assert left / count == pytest.approx(0.7, abs=0.05)


def test_no_share_no_work(sequences):
    assert drop_tokens(sequences, 0, np.arange(12), 0) is sequences


def test_what_goes_depends_on_the_row_and_the_seed_and_not_on_the_batch(case, sequences):
    log, inputs = case
    whole = tokens(drop_tokens(sequences, 0.3, np.arange(12), 7))
    few = inputs.histories(log.start[[9, 2]], log.start[[10, 3]])
    assert tokens(drop_tokens(few, 0.3, np.array([9, 2]), 7)) == [whole[9], whole[2]]
    assert tokens(drop_tokens(sequences, 0.3, np.arange(12), 8)) != whole
    assert tokens(drop_tokens(few, 0.3, np.array([3, 4]), 7)) != [whole[9], whole[2]]
