"""A step's loss beside a slow twin: one example, one candidate at a time; and its gradient beside a difference of that twin."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.trainings import changed, pieces
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import make_split
from listing_vibes.model.encoder import encode_histories, encode_listings
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.training.batches import Mix, WindowBatches
from listing_vibes.training.examples import bank_candidates, fresh_candidates, make_examples
from listing_vibes.training.step import greatest_so_far, step_loss
from listing_vibes.variants import cls
from listing_vibes.variants.cls import HistoryBatches

SEED, STEP, DAYS, WIDTH = 3, 11, 20, 32
CASES = {
    "defaults": ("listing-vectors", {}),
    "late interaction": ("listing-vectors", {"late_interaction": 0.7}),
    "no listing near itself": ("listing-vectors", {"late_interaction": 0.7, "late_itself": False}),
    "cls": ("cls", {"bank_size": 60}),
    "uncorrected, no bank": ("listing-vectors", {"bank_size": 0, "logq": False}),
    "several markets": ("listing-vectors", {}),
    "beside what is recent": ("cls", {}),
}


@pytest.fixture(params=CASES)
def case(request, small_market, quick):
    history, training = CASES[request.param]
    sizes = {"bf16": False, "fresh": 40, "bank_size": 90, "batch": 6, "late_interaction": 0.0}
    settings = changed(quick.model_copy(update={"history": history}), **sizes | training)
    torch.manual_seed(1)
    model, data = pieces(small_market, settings)
    data = replace(data, seed=SEED)
    if "markets" in request.param:
        fourth = (np.arange(data.log.listings) % 4 == 0).astype(int)
        data = replace(data, mix=Mix.of(fourth, data.examples.positive[:, 0], 0.5))
    if "itself" in request.param:  # who returns to a listing has it in the history and as a positive
        listing, start = data.log.listing.copy(), data.log.start
        long = start[:-1][np.diff(start) > 4]
        listing[long + 2] = listing[long]
        log = replace(data.log, listing=listing)
        split = make_split(log, data.catalogue, "leave-one-out")
        data = replace(data, log=log, inputs=replace(data.inputs, listing=listing), live=False)
        warm = np.flatnonzero(log.counts(split.train))
        data = replace(data, examples=make_examples(log, split, 3), warm=warm)
    if "recent" in request.param:
        data = replace(data, recent=RecentEvents.over_days(data.log, DAYS))
    inputs, examples = data.inputs, data.examples
    if history == "cls":
        batch = HistoryBatches().epoch(examples, inputs, 6, 0, np.random.default_rng(0))[0]
    else:
        batch = WindowBatches().epoch(examples, inputs, 6, 30, np.random.default_rng(0))[0]
    stale = torch.nn.functional.normalize(torch.randn(len(data.warm), WIDTH), dim=1)
    return model.eval(), data, stale, batch, settings.training


def told(model, data, batch) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """The vectors of all listings (L, d), of the examples' histories (E, d), and the events of each."""
    events = [np.arange(a, b) for a, b in zip(batch.first, batch.end, strict=True)]
    if model.user_pass is None:
        histories = events
    else:
        ends = np.concatenate(events)[batch.place]
        histories = [own[own <= end] for end in ends for own in events if end in own]
    listings = encode_listings(model, data.inputs, np.arange(data.log.listings))
    start, end = np.array([(one[0], one[-1] + 1) for one in histories]).T
    return listings, encode_histories(model, data.inputs, start, end), histories


def twin(model, data, bank, batch, config) -> float:
    """The loss by a loop."""
    log, examples = data.log, data.examples
    listings, users, histories = told(model, data, batch)
    rng, losses = np.random.default_rng([SEED, 1, STEP]), []
    own = examples.positive[batch.rows]
    share = np.bincount(examples.positive[examples.positive >= 0], minlength=log.listings).astype(float)
    market = np.zeros(log.listings, int) if data.mix is None else data.mix.market
    share *= 1 if data.mix is None else data.mix.weight[market]
    share /= share.sum()
    sets = [fresh_candidates(own, data.warm, config.fresh, rng)]
    sets += [bank_candidates(own, data.warm, config.bank_size, rng)] if config.bank_size else []
    for drawn in sets:
        found = []
        for e, example in enumerate(batch.rows):
            user, at, following = examples.user[example], examples.at[example], own[e, 0]
            begin, end = examples.train_span[user]
            touched = {int(log.listing[row]) for row in range(begin, end)}
            scores, positive = [], None
            for listing in drawn.listing:
                fresh = drawn.bank_rows is None
                vector = listings[listing] if fresh else bank[np.searchsorted(data.warm, listing)].numpy()
                score = users[e] @ vector
                if config.late_interaction:
                    near = [-1.0]
                    for row in histories[e]:
                        if config.late_itself or log.listing[row] != listing:
                            near.append(listings[log.listing[row]] @ vector)
                    score += config.late_interaction * max(near)
                score /= config.temperature
                if data.recent is not None:
                    recent = (log.time < at) & (log.time >= at - DAYS * DAY) & (log.listing == listing)
                    score += np.log(1 + recent.sum())
                if config.logq:
                    missed = 1 - drawn.drawn
                    if fresh:
                        missed *= (1 - share[listing]) ** (own >= 0).sum()
                    score -= np.log(max(1 - missed, 1 / len(data.warm)))
                if listing == following:
                    positive = score
                stranger = market[listing] != market[following]
                dead = not data.catalogue.since[listing] <= at < data.catalogue.until[listing] and data.live
                hers = int(listing) in touched or listing in own[e]
                if not (stranger or dead or hers):
                    scores.append(score)
            found.append(np.logaddexp.reduce([positive, *scores]) - positive)
        losses.append(np.mean(found))
    return float(np.mean(losses))


def test_the_loss_and_its_gradient_are_those_of_a_loop_over_examples_and_candidates(case):
    """Along the gradient itself the loss rises as fast as the gradient is long: nothing on the way to a weight was cut."""
    model, data, bank, batch, config = case
    loss, value = step_loss(model, data, bank, batch, STEP, config, data.inputs.tensors("cpu"))
    assert value == float(loss.detach()) == pytest.approx(twin(*case), rel=1e-4)
    loss.backward()
    moved = [one for one in model.parameters() if one.grad is not None]
    length = float(torch.stack([one.grad.norm() for one in moved]).norm())
    found = []
    for size in (3e-3, -6e-3):
        with torch.no_grad():
            for one in moved:
                one += size / length * one.grad
        found.append(twin(*case))
    assert (found[0] - found[1]) / 6e-3 == pytest.approx(length, rel=0.02)


def test_histories_in_parts_give_the_loss_and_the_gradient_of_all_together(small_market, quick, monkeypatch):
    settings = changed(quick, bf16=False, bank_size=0)
    torch.manual_seed(1)
    model, data = pieces(small_market, settings)
    model.eval()
    lengths = data.inputs.history_lengths(data.examples.start, data.examples.end)
    batch = HistoryBatches().epoch(data.examples, data.inputs, 12, 0, np.random.default_rng(0))[0]
    found = []
    for tokens in (10**9, 2 * int(lengths.max())):
        monkeypatch.setattr(cls, "TOKENS_KEPT", tokens)
        model.zero_grad()
        loss = step_loss(model, data, None, batch, STEP, settings.training, data.inputs.tensors("cpu"))[0]
        loss.backward()
        found.append((loss.detach(), model.embedder.value.weight.grad.clone()))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


def test_the_greatest_so_far_is_cummax_window_by_window():
    values, count = torch.randn(9, 4), np.array([3, 1, 5])
    row, begin = greatest_so_far(values, count), 0
    for size in count:
        window = values[begin : begin + size]
        assert torch.equal(values.gather(0, row[begin : begin + size]), window.cummax(0).values)
        begin += size
