"""What an epoch trains: windows and histories of users, baskets, several markets; and pre-training against a loop."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.trainings import model_inputs
from listing_vibes.features.featurizer import FeatureConfig, Features
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE, ListingTokens
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.checkpoint import build_model
from listing_vibes.model.inputs import Inputs, TokenBatch
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.training.batches import Epoch, Mix, WindowBatches
from listing_vibes.training.distributed import Processes
from listing_vibes.training.examples import make_examples
from listing_vibes.training.step import StepData
from listing_vibes.variants.cls import HistoryBatches
from listing_vibes.variants.pretraining import MASKED, Pretraining, mask_values, pretraining_loss


@pytest.fixture(params=["temporal", "leave-one-out"])
def data(request) -> StepData:
    """Users of very different lengths, who do several things at the same moment."""
    rng = np.random.default_rng(5)
    listings = pd.DataFrame({C.LISTING: [f"l{n}" for n in range(25)], "price": rng.random(25)})
    events = pd.DataFrame(
        {
            C.USER: rng.choice([f"u{n}" for n in range(12)], 300, p=np.arange(1, 13) / 78),
            C.LISTING: rng.choice(listings[C.LISTING], 300),
            C.TIMESTAMP: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 40, 300), unit="D"),
        }
    )
    events[C.ACTION] = np.where(events[C.LISTING].str[1:].astype(int) % 2, "view", "buy")
    market = Market.from_frames(listings, events)
    _, inputs, log = model_inputs(market, Resolved(features={"text": False}))
    catalogue, inputs = Catalogue.of(market), replace(inputs, max_listings=7, max_tokens=10**6)
    split = make_split(log, catalogue, request.param)
    masked = split.protocol == "temporal"
    examples = make_examples(log, split, 3, within=True)
    return StepData(examples, log, catalogue, inputs, np.arange(25), masked, 0, baskets=split)


def windows(data: StepData, epoch: int = 0) -> Epoch:
    return WindowBatches().epoch(data.examples, data.inputs, 4, 20, np.random.default_rng(epoch))


def histories(data: StepData, epoch: int = 0) -> Epoch:
    return HistoryBatches().epoch(data.examples, data.inputs, 5, 0, np.random.default_rng(epoch))


def events_of(batch) -> np.ndarray:
    return np.concatenate(
        [np.arange(a, b) for a, b in zip(batch.first, batch.end, strict=True)] + [[]]
    ).astype(int)


def test_every_example_is_at_the_event_its_history_ends_with(data):
    for epoch in range(2):
        now = data.in_epoch(epoch)
        for batch in windows(now, epoch):
            events = events_of(batch)
            assert data.baskets.train[events].all() and len(batch)
            assert (events[batch.place] == now.examples.end[batch.rows] - 1).all()
            assert len(batch.first) <= 4 and (len(events) <= 20 or len(batch.first) == 1)
            assert ((batch.end - batch.first) <= 7).all()
            assert (now.log.user[batch.first] == now.log.user[batch.end - 1]).all()


def test_a_user_gives_one_window_and_another_each_epoch_by_seed(data):
    seen, starts = set(), []
    for epoch in range(40):
        batches = windows(data, epoch)
        owners = np.concatenate([data.log.user[batch.first] for batch in batches])
        assert len(np.unique(owners)) == len(owners)
        seen |= set(np.concatenate([batch.rows for batch in batches]).tolist())
        starts.append(set(np.concatenate([batch.first for batch in batches]).tolist()))
    assert len(seen) == len(data.examples)
    assert len(set.union(*starts)) > 2 * max(map(len, starts))  # else the same events would always be first
    assert [batch.rows.tolist() for batch in windows(data, 3)] == [b.rows.tolist() for b in windows(data, 3)]


def test_an_epoch_of_histories_takes_each_user_equally(data):
    chosen = np.concatenate([batch.rows for batch in histories(data)])
    users = np.bincount(data.examples.user[chosen], minlength=12)
    assert len(np.unique(chosen)) == len(chosen)
    assert users.tolist() == np.minimum(np.bincount(data.examples.user, minlength=12), 10).tolist()


def test_the_share_of_the_log_that_an_epoch_reads(data):
    last = np.flatnonzero(np.diff(data.examples.user, append=-1))
    events = (data.examples.end[last] - data.examples.start[last]).sum()
    epoch = windows(data)
    share = WindowBatches().passes(data.examples, data.inputs)
    whole = WindowBatches().passes(data.examples, replace(data.inputs, max_listings=999))
    assert (epoch.end - epoch.first).sum() / events <= share < 0.5 < whole == 1


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("by_event", [True, False])
def test_the_parts_of_a_batch_are_the_batch(data, world, by_event):
    for batch in windows(data) if by_event else histories(data):
        seen = []
        for rank in range(world):
            part = batch.part(np.arange(rank, len(batch.first), world))
            ends = events_of(part) if by_event else part.end - 1
            assert (ends[part.place] == data.examples.end[part.rows] - 1).all()
            seen += part.rows.tolist()
        assert sorted(seen) == sorted(batch.rows.tolist())


def test_only_the_order_within_a_training_basket_is_drawn(data):
    def events(log, rows):
        return Counter(zip(log.user[rows], log.time[rows], log.listing[rows], log.action[rows], strict=True))

    train, before, orders = data.baskets.train, data.log, []
    for epoch in (0, 1, 0):
        now = data.in_epoch(epoch)
        # the same events at the same moments, so that what trains and what is asked later stay apart
        assert events(now.log, train) == events(before, train)
        assert (now.log.listing == before.listing)[~train].all()
        assert (now.inputs.listing == now.log.listing).all()
        pairs = set(zip((now.log.listing % 2).tolist(), now.inputs.meta.action.tolist(), strict=True))
        assert len(pairs) == 2  # an event keeps its action
        orders.append(now.log.listing.tolist())
    assert orders[0] == orders[2] != orders[1]
    assert replace(data, baskets=None).in_epoch(3).log is before


@pytest.mark.parametrize("power", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("kind", ["histories", "windows"])
def test_a_small_market_of_several_comes_up_as_often_as_was_set(always_live, make_log, kind, power):
    user, listings = np.repeat(np.arange(100), 6), 20
    listing = np.tile(np.arange(6), 100) + np.where(user < 90, 0, 10)  # ten of a hundred are in the second
    log = make_log(user, listing, np.tile(np.arange(6), 100), listings, 100, timed=False)
    split = make_split(log, always_live(log), "leave-one-out")
    examples, none = make_examples(log, split, 1), np.zeros(listings, np.int32)
    offsets = np.arange(listings + 1)
    tokens = ListingTokens(
        offsets, none, none, none, none, none, none, np.zeros(listings + 1, np.int64), none[:0]
    )
    inputs = Inputs(Features(tokens, np.zeros((0, 2)), np.zeros((0, 2))), log.listing, None, 50, 100)
    mix = Mix.of(np.arange(listings) // 10, examples.positive[:, 0], power)
    drawn = []
    for epoch in range(10):
        rng = np.random.default_rng(epoch)
        if kind == "histories":
            batches = HistoryBatches().epoch(examples, inputs, 16, 0, rng, mix.draw)
        else:
            batches = WindowBatches().epoch(examples, inputs, 16, 99, rng, mix.draw)
        drawn += [examples.positive[batch.rows, 0] for batch in batches]
    found = np.concatenate(drawn)
    share = {1.0: 0.1, 0.5: 0.25, 0.0: 0.5}[power]
    assert abs((found >= 10).mean() - share) < 0.06 and abs(len(found) / 10 / len(examples) - 1) < 0.15
    shares = mix.shares(examples.positive[:, 0])
    assert shares[examples.positive[:, 0] >= 10].sum() == pytest.approx(
        share
    ) and shares.sum() == pytest.approx(1)


def test_negatives_are_of_the_market_of_the_example(data):
    market, listing, rows = np.arange(25) % 2, np.arange(25), np.arange(6)
    mixed = replace(data, mix=Mix(market, np.ones(2)))
    same = market[data.examples.positive[rows, :1]] == market[listing]
    expected = data.masks(listing, rows)[1] & same
    np.testing.assert_array_equal(mixed.masks(listing, rows)[1], expected)


def test_buckets_are_drawn_again_and_keep_who_shares_one(data):
    tokens = data.inputs.features.tokens
    value = np.where(tokens.value > 0, 1 + np.arange(len(tokens.value)) % 9, 0).astype(np.int32)
    features = replace(data.inputs.features, tokens=replace(tokens, value=value))
    data = replace(data, inputs=replace(data.inputs, features=features))
    mixed = replace(data, mix=Mix(np.zeros(25, int), np.ones(1), [(3, 5)]))
    one, other = (mixed.with_buckets(number).inputs.features.tokens.value for number in (0, 1))
    moved = (value >= 3) & (value < 8)
    assert (one[~moved] == value[~moved]).all() and not np.array_equal(one, other)
    assert len({*zip(value[moved].tolist(), one[moved].tolist(), strict=True)}) == len(set(value[moved]))
    assert data.with_buckets(0) is data


@pytest.fixture(params=["cls", "listing-vectors"])
def case(request, tiny_market):
    market = Market.open(tiny_market(listings=30, users=12, events_per_user=9))
    settings = Resolved(
        history=request.param,
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64, "dropout": 0.0},
        features=FeatureConfig(text=False),
        training=ResolvedTraining(batch=8, fresh=8),
    )
    featurizer, inputs, log = model_inputs(market, settings)
    catalogue = Catalogue.of(market)
    split = make_split(log, catalogue)
    data = StepData(make_examples(log, split, 3), log, catalogue, inputs, np.arange(30), True, 0)
    torch.manual_seed(0)
    return build_model(featurizer.vocabulary, settings), data, settings


def test_masked_values_are_gone_and_only_they(case):
    _, data, _ = case
    whole = data.inputs.listings(np.arange(30))
    masked, token = mask_values(whole, 0.4, np.random.default_rng(0).random(len(whole.key)))
    assert (whole.value[token] > 0).all()
    assert (whole.type[token] == TYPE_ATTRIBUTE).all()
    assert not masked.value[token].any() and not masked.bin[token].any()
    others = np.setdiff1d(np.arange(len(whole.key)), token)
    assert (masked.value[others] == whole.value[others]).all() and (
        masked.bin[others] == whole.bin[others]
    ).all()
    assert (masked.key == whole.key).all()
    maskable = ((whole.type == TYPE_ATTRIBUTE) & (whole.value > 0)).sum()
    assert len(token) / maskable == pytest.approx(0.4, abs=0.1)


@pytest.mark.slow
def test_every_part_of_the_loss_reaches_the_model_and_falls(case):
    model, data, settings = case
    whole, tables = Pretraining(model), data.inputs.tensors("cpu")
    optimizer = torch.optim.AdamW(whole.parameters(), lr=3e-3)
    losses = []
    one, again, other = (
        float(pretraining_loss(whole, data, np.arange(30), step, settings, tables, Processes()))
        for step in (3, 3, 4)
    )
    assert one == again != other  # a step is seeded by its number
    for step in range(30):
        loss = pretraining_loss(whole, data, np.arange(30), step, settings, tables, Processes())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert whole.bias.grad.abs().sum() > 0 and model.embedder.value.weight.grad.abs().sum() > 0


def test_the_loss_is_that_of_a_loop_over_pairs_and_guesses(case):
    """BERT's guesses, a tenth as loud, beside one positive against the other pairs' next listings (Li et al. 2023, eq. 4 to 6)."""
    model, data, settings = case
    data = replace(data, mix=Mix.of(np.arange(30) % 2, np.arange(30), 1.0))
    torch.manual_seed(0)
    whole, tables, known = Pretraining(model), data.inputs.tensors("cpu"), np.arange(30)
    torch.nn.init.normal_(whole.bias)
    found = float(pretraining_loss(whole, data, known, 3, settings, tables, Processes()).detach())
    log, examples, rng = data.log, data.examples, np.random.default_rng([data.seed, 3, 3])
    pairs = rng.choice(len(examples), 8, replace=False, p=data.mix.shares(examples.positive[:, 0]))
    asked = np.append(log.listing[examples.end[pairs] - 1], rng.choice(known, 8, replace=False))
    read = data.inputs.listings(asked)
    masked, token = mask_values(read, MASKED, rng.random(len(read.key)))
    following = examples.positive[pairs, 0]
    with torch.no_grad():
        hidden = model.hidden(TokenBatch(masked), *tables)
        before = torch.nn.functional.normalize(hidden[:, 0], dim=1).numpy()
        after = model(TokenBatch(data.inputs.listings(following)), *tables).numpy()
        begin, wrong = np.cumsum(read.length) - read.length, []
        for at, value in zip(token, read.value[token], strict=True):
            row = np.searchsorted(begin, at, side="right") - 1
            said = whole.head(hidden[row, at - begin[row]]) @ model.embedder.value.weight.T + whole.bias
            wrong.append(float(said.logsumexp(0) - said[value]))
    losses = []
    for one, example in enumerate(pairs):
        user, scores = examples.user[example], {}
        own = set(log.listing[slice(*examples.train_span[user])].tolist())
        for other, listing in enumerate(following):
            if listing not in own and (listing - following[one]) % 2 == 0:
                scores[int(listing)] = before[one] @ after[other] / settings.training.temperature
        right = before[one] @ after[one] / settings.training.temperature
        losses.append(np.logaddexp.reduce([right, *scores.values()]) - right)
    assert len(wrong) > 2 and np.count_nonzero(losses) > 3
    assert found == pytest.approx(np.mean(losses) + 0.1 * np.mean(wrong), rel=1e-4)
