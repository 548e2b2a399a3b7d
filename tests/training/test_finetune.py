"""Fine-tuning beside the plain loop that it is: batches, bank, rate, clipping, AdamW and the average, step by step."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from helpers.training_pieces import changed, pieces
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import make_split
from listing_vibes.model.checkpoint import load_weights
from listing_vibes.training import finetune as finetuning
from listing_vibes.training import optimizer
from listing_vibes.training.bank import ItemBank
from listing_vibes.training.batches import history_batches
from listing_vibes.training.examples import make_examples
from listing_vibes.training.finetune import HISTORIES_PER_USER, _Finetuning, finetune
from listing_vibes.training.mix import Mix
from listing_vibes.training.optimizer import learning_rate
from listing_vibes.training.step import step_loss

STEPS, WIDTH = 12, 32
CLIP, DECAY = 0.05, 0.5


def plain_loop(
    model, data, settings, epoch, steps, every, frozen=False
) -> tuple[dict[str, torch.Tensor], int]:
    """Train `model` in place for the `steps`; gives the average of its weights, and the epoch it came to."""
    config, inputs, examples = settings.training, data.inputs, data.examples
    matrices = [one.weight for one in model.modules() if isinstance(one, nn.Linear)]
    values = model.embedder.value.weight
    others = [one for one in model.parameters() if not any(one is known for known in (values, *matrices))]
    groups = [
        {"params": matrices, "weight_decay": DECAY},
        {"params": others, "weight_decay": 0.0},
        {"params": [values], "weight_decay": 0.0},
    ]
    plain = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    lengths, tables = inputs.history_lengths(examples.start, examples.end), inputs.tensors("cpu")
    average: dict[str, torch.Tensor] = {}
    batches, bank = [], None
    for place, step in enumerate(steps):
        if not batches:
            batches = list(
                history_batches(examples, lengths, config.batch, HISTORIES_PER_USER, settings.seed, epoch)
            )
            epoch += 1
            encode = every is None and not frozen  # each epoch
        if bank is None or encode or (every is not None and place % every == 0):
            bank, encode = ItemBank.encode(model, inputs, data.warm, WIDTH), False
        rate = learning_rate(place, len(steps), config.warmup, config.learning_rate)
        step_loss(model, data, bank, batches.pop(0), step, config, tables, frozen).loss.backward()
        trained = [one for one in model.parameters() if one.grad is not None]
        length = math.sqrt(sum(float(one.grad.square().sum()) for one in trained))
        assert length > CLIP
        for one in trained:
            one.grad *= CLIP / length
        for group in plain.param_groups:
            group["lr"] = rate * (config.value_rate if group["params"][0] is values else 1)
        plain.step()
        model.zero_grad()
        for name, tensor in model.state_dict().items():
            before = average.get(name, tensor)
            average[name] = config.average * before + (1 - config.average) * tensor
    return average, epoch


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["single-stage", "two-stage"])
def test_the_weights_are_those_of_a_plain_loop(small_market, quick, tmp_path, monkeypatch, recipe):
    monkeypatch.setattr(finetuning, "CLIP", CLIP)
    monkeypatch.setattr(optimizer, "WEIGHT_DECAY", DECAY)
    settings = changed(
        quick,
        recipe=recipe,
        max_steps=STEPS,
        max_epochs=9,
        bank_every=3,
        warmup=2,
        value_rate=4.0,
        batch=60,
        bf16=False,
    )
    torch.manual_seed(0)
    model, data = pieces(small_market, settings)
    own = deepcopy(model).train()
    finetune(model, data, settings, tmp_path / "run", None, False, lambda update: None)
    load_weights(tmp_path / "run" / "model.safetensors", model)
    if recipe == "single-stage":
        expected, _ = plain_loop(own, data, settings, 0, range(STEPS), 3)
    else:
        own.frozen = False
        expected, epoch = plain_loop(own, data, settings, 0, range(STEPS // 2), None)
        own.load_state_dict(expected)
        own.sync_listing_side()
        own.frozen = True
        expected, _ = plain_loop(own, data, settings, epoch, range(STEPS // 2, STEPS), None, frozen=True)
    found = model.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(
            tensor, expected[name], atol=2e-4, rtol=0, msg=lambda told, name=name: f"{name}: {told}"
        )


@pytest.mark.parametrize("history", ["cls", "listing-vectors"])
def test_an_epoch_s_batches_follow_its_number_its_baskets_and_the_mix(small_market, quick, tmp_path, history):
    settings = changed(
        quick.model_copy(update={"history": history}), bf16=False, baskets="set", late_interaction=0.0
    )
    model, data = pieces(small_market, settings)
    log = replace(data.log, time=data.log.time // (30 * DAY) * (30 * DAY))
    split = make_split(log, data.catalogue)
    examples = make_examples(log, split, 3, within=True)
    rare = (np.arange(log.listings) % 9 == 0).astype(int)
    mix = Mix.of(rare, examples.positive[:, 0], 0.0)
    data = replace(data, log=log, examples=examples, baskets=split, mix=mix)
    training = _Finetuning(model, data, settings, tmp_path, None, lambda update: None, resume=False)
    order, rares = [], []
    for epoch in (0, 1, 0):
        batches = list(training.batches(epoch))
        read = training.data
        order.append(read.log.listing.tolist())
        told = (
            read.examples.positive[np.concatenate([one.rows for one in batches]), 0]
            if history == "cls"
            else read.inputs.listing[np.concatenate([one.first for one in batches])]
        )
        rares.append(rare[told].mean())
    assert order[0] == order[2] != order[1]
    assert min(rares) > 0.3  # a ninth of the listings, drawn as often as all others


def test_codes_stay_while_the_bank_does(small_market, quick, tmp_path):
    """In the second stage the bank is never encoded anew, so that codes drawn anew would be others in histories."""
    settings = changed(quick, bf16=False, recipe="two-stage", negatives="in-batch")
    model, data = pieces(small_market, settings)
    codes = (int(data.inputs.features.tokens.value.max()) - 9, 9)
    data = replace(data, mix=Mix(np.zeros(data.log.listings, int), np.ones(1), (codes,)))
    training = _Finetuning(model, data, settings, tmp_path, None, lambda update: None, resume=False)
    training.state.stage, training.state.bank_step, read = 2, 40, []
    for training.state.step in (40, 41, 900):
        read.append(training._coded().inputs.features.tokens.value.tolist())
    assert read[0] == read[1] == read[2] != data.inputs.features.tokens.value.tolist()
