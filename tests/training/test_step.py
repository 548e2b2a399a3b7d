"""A step's loss and gradient beside a slow twin, and the loop of steps: what it refuses, when it validates, two stages."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from helpers.trainings import changed, pieces
from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import make_split
from listing_vibes.model.checkpoint import load_weights
from listing_vibes.model.encoder import encode_histories, encode_listings
from listing_vibes.model.model import ListingModel, TokenEmbedder
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Validated, silent
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.training import step as step_module
from listing_vibes.training.batches import history_epoch, window_epoch
from listing_vibes.training.data import bank_candidates, fresh_candidates, make_examples
from listing_vibes.training.multi_market import Mix
from listing_vibes.training.optimize import Optimization
from listing_vibes.training.optimizer import learning_rate, make_optimizer, take_step
from listing_vibes.training.step import greatest_so_far, step_loss
from listing_vibes.training.train import train

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
        lengths = inputs.history_lengths(examples.start, examples.end)
        batch = history_epoch(examples, lengths, 6, np.random.default_rng(0))[0]
    else:
        batch = window_epoch(examples, inputs, 6, 30, np.random.default_rng(0))[0]
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
    batch = history_epoch(data.examples, lengths, 12, np.random.default_rng(0))[0]
    found = []
    for tokens in (10**9, 2 * int(lengths.max())):
        monkeypatch.setattr(step_module, "TOKENS_KEPT", tokens)
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


def test_the_second_stage_keeps_the_listings_of_the_best_first_stage_and_trains_on(
    small_market, quick, tmp_path
):
    settings = changed(quick, recipe="two-stage", bf16=False)
    model, data = pieces(small_market, settings)
    better, first_stage = itertools.count(), {}

    def validate(now: ListingModel) -> tuple[float, float]:
        if not now.frozen:
            first_stage.update({n: t.clone() for n, t in now.longformer.state_dict().items()})
        return 0.5, float(next(better))  # the same hits, in better ranks

    state = Optimization(model, data, settings, tmp_path / "run", validate, False, silent).train()
    load_weights(tmp_path / "run" / "model.safetensors", model)
    assert state.stage == 2 and state.best_step == state.step
    assert all(torch.equal(first_stage[n], t) for n, t in model.listing_side.longformer.state_dict().items())
    assert any(not torch.equal(first_stage[n], t) for n, t in model.longformer.state_dict().items())


@pytest.mark.parametrize("better", [True, False])
def test_a_short_training_validates_twenty_times_and_patience_is_counted_in_steps(
    small_market, quick, tmp_path, better
):
    sizes = {"max_steps": 40, "max_epochs": 50, "validate_every": 5, "patience": 1, "bank_size": 0}
    settings = changed(
        quick, **sizes, fresh=200, bf16=False
    )  # a step encodes all, so that a validation costs no more
    model, data = pieces(small_market, settings)
    count, updates = itertools.count(), []

    def validate(now: ListingModel) -> tuple[float, float]:
        return 0.5, float(next(count) * (1 if better else -1))

    state = Optimization(model, data, settings, tmp_path / "run", validate, False, updates.append).train()
    steps = [one.step for one in updates if isinstance(one, Validated)]
    assert steps == (list(range(2, 41, 2)) if better else [2, 4, 6, 8])
    assert state.best_step == (40 if better else 2)


@pytest.mark.parametrize(
    ("training", "stopped"),
    [
        ({"learning_rate": 3.0, "warmup": 0, "max_epochs": 30}, "collapsed|became"),
        (
            {"learning_rate": 1e20, "warmup": 0, "average": 0.0, "max_steps": 1},
            "validation became nan at step 1",
        ),
    ],
)
def test_a_training_that_collapses_is_stopped_and_is_no_run(small_market, quick, tmp_path, training, stopped):
    with pytest.raises(VibesError, match=stopped):
        train(small_market, tmp_path / "run", changed(quick, **training), None)
    assert not (tmp_path / "run" / "run.toml").exists()


def test_buckets_stay_while_the_bank_does(small_market, quick, tmp_path):
    """In the second stage the bank is never encoded again, so that other buckets would be others in histories."""
    settings = changed(quick, bf16=False, recipe="two-stage")
    model, data = pieces(small_market, settings)
    buckets = (int(data.inputs.features.tokens.value.max()) - 9, 9)
    data = replace(data, mix=Mix(np.zeros(data.log.listings, int), np.ones(1), (buckets,)))
    loop = Optimization(model, data, settings, tmp_path, None, False, silent)
    loop.bank = loop._encode_bank()
    loop.state.stage, loop.state.bank_step, read = 2, 40, []
    for loop.state.step in (40, 41, 900):
        loop._refresh()
        read.append(loop.drawn.inputs.features.tokens.value.tolist())
    assert read[0] == read[1] == read[2] != data.inputs.features.tokens.value.tolist()


def test_nothing_to_learn_from_is_refused(small_market, quick, tmp_path):
    model, data = pieces(small_market, quick)
    empty = replace(data.examples, user=data.examples.user[:0])
    with pytest.raises(VibesError, match="nothing to learn from"):
        Optimization(model, replace(data, examples=empty), Resolved(), tmp_path, None, False, silent)


@pytest.mark.parametrize(("planned", "warmup"), [(1500, 100), (60, 0), (7, 3)])
def test_after_the_warm_up_it_is_the_cosine_of_transformers_to_the_last_digit(planned, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedule = get_cosine_with_min_lr_schedule_with_warmup(optimizer, warmup, planned, min_lr_rate=0.05)
    theirs = []
    for _ in range(planned + 1):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    ours = [learning_rate(step, planned, warmup, 1e-3) for step in range(planned + 1)]
    assert ours[warmup:] == theirs[warmup:]
    # While it warms up it is a step ahead: the first step has a rate, too.
    assert ours[: max(warmup - 1, 0)] == pytest.approx(theirs[1 : max(warmup, 1)])
    assert learning_rate(planned + 50, planned, warmup, 1e-3) == ours[-1] == pytest.approx(5e-5)


def test_the_vectors_of_values_have_a_rate_of_their_own():
    embedder = TokenEmbedder(Vocabulary(attributes=[], size=5), 4)
    for share, value, key in ((1.0, 1e-3, 1e-3), (10.0, 1e-2, 1e-3)):
        optimizer = make_optimizer(embedder, 1e-3, value_rate=share)
        take_step(optimizer, embedder, 1e-3)
        rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
        decay = {
            id(one): group["weight_decay"] for group in optimizer.param_groups for one in group["params"]
        }
        assert rates[id(embedder.value.weight)] == pytest.approx(value)
        assert rates[id(embedder.key.weight)] == pytest.approx(key) and decay[id(embedder.value.weight)] == 0
        assert len(rates) == len(list(embedder.parameters()))  # each once
