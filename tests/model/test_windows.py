"""One pass embeds every prefix of a history: each as if it were alone, none with what came after it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.attention import block_causal
from listing_vibes.model.encoder import ListingModel, encode_histories, encode_listings
from listing_vibes.model.settings import Resolved
from listing_vibes.model.windows import VectorBatch
from listing_vibes.run.engine import make_inputs


@pytest.fixture
def case(tiny_market):
    market = Market.open(tiny_market(listings=30, users=6, events_per_user=9))
    log = EventLog.from_market(market)
    settings = Resolved(preset="tiny", features=FeatureConfig(text=False))
    featurizer = Featurizer.fit(market, settings.features, 128, np.arange(30), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, settings)
    torch.manual_seed(0)
    model = ListingModel(featurizer.vocabulary, settings.encoder_config(), settings.history)
    torch.manual_seed(1)
    for parameter in model.parameters():  # away from the silent start of the layers
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval(), inputs, log


def prefixes(model, inputs, first, end):
    """(R, d) every prefix of the windows, in one pass."""
    table = encode_listings(model, inputs, np.arange(30), 128)
    batch = VectorBatch.of(inputs, first, end)
    return model.prefixes(batch, torch.from_numpy(table)).detach().numpy()


@pytest.mark.slow
def test_every_prefix_of_one_pass_is_that_history_alone(case):
    model, inputs, log = case
    first, end = log.start[:-1], log.start[1:] - np.arange(6)  # windows of 9, 8, .. 4 events
    found, place = prefixes(model, inputs, first, end), 0
    for user in range(6):
        for stop in range(int(first[user]) + 1, int(end[user]) + 1):
            alone = encode_histories(model, inputs, first[[user]], np.array([stop]), 128)
            np.testing.assert_allclose(found[place], alone[0], atol=5e-6)
            place += 1
    assert place == len(found)


def test_what_comes_later_changes_nothing_and_what_came_before_does(case):
    model, inputs, log = case
    first, end = log.start[:1], log.start[1:2]
    before = prefixes(model, inputs, first, end)
    inputs.listing[first[0] + 4] = (inputs.listing[first[0] + 4] + 1) % 30
    after = prefixes(model, inputs, first, end)
    np.testing.assert_allclose(after[:4], before[:4], atol=1e-6)
    assert (np.abs(after[4:] - before[4:]).max(axis=1) > 1e-4).all()


def test_meta_is_told_with_a_history(case):
    model, inputs, log = case
    first, end = log.start[:1], log.start[1:2]
    silent = replace(inputs, meta=None)
    assert (
        np.abs(prefixes(model, inputs, first, end) - prefixes(model, silent, first, end)).max(axis=1) > 1e-4
    ).all()


def test_only_the_newest_listings_that_fit_are_told(case):
    _, inputs, log = case
    start, end = log.start[:-1], log.start[1:]
    assert inputs.newest(start, end).tolist() == start.tolist()
    assert replace(inputs, max_listings=3).newest(start, end).tolist() == (end - 3).tolist()
    limit = int(inputs.block_lengths(end - 2, end)[0])
    assert replace(inputs, max_tokens=limit).newest(start[:1], end[:1]) == end[0] - 2
    assert replace(inputs, max_tokens=limit - 1).newest(start[:1], end[:1]) == end[0] - 1
    assert replace(inputs, max_tokens=1).newest(start[:1], end[:1]) == end[0] - 1  # never nothing
    whole = replace(inputs, max_tokens=1, max_listings=3, whole=True)  # a place for a listing of any length
    assert whole.newest(start, end).tolist() == (end - 3).tolist()


def test_the_newest_listings_alone_decide_where_a_history_is_too_long(case):
    model, inputs, log = case
    short = replace(inputs, max_listings=4)
    start, end = log.start[:-1], log.start[1:]
    np.testing.assert_allclose(
        encode_histories(model, short, start, end, 128),
        encode_histories(model, inputs, end - 4, end, 128),
        atol=1e-6,
    )


def test_block_causal_by_hand():
    mask = torch.tensor([[True, True, True, True, False]])
    block = torch.tensor([[1, 1, 2, 2, 0]])
    seen = block_causal(mask, block)[0, 0]
    assert [row.nonzero().squeeze(1).tolist() for row in seen] == [
        [0, 1],
        [0, 1],
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [4],
    ]
