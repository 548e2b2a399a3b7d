"""Each loss against a slow twin in plain Python."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from helpers.trainings import model_inputs
from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.market.market import Market
from listing_vibes.model.checkpoint import build_model, load_state, load_weights, save_state, save_weights
from listing_vibes.model.encoder import batches_by_length, encode_histories, encode_listings
from listing_vibes.model.inputs import VectorBatch
from listing_vibes.model.losses import LOSSES
from listing_vibes.model.settings import Resolved, Settings

#: The loss of one row from exp(score) of its positives, of its negatives and of the next listing.
TWINS = {
    "log_in": lambda good, bad, first: -math.log(sum(good) / (sum(good) + sum(bad))),
    "log_out": lambda good, bad, first: sum(-math.log(g / (g + sum(bad))) for g in good) / len(good),
    "next": lambda good, bad, first: -math.log(first / (first + sum(bad))),
}


@pytest.fixture
def rows():
    """Scores (6, 12) with their positives, negatives and the columns of the next listings."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 12, generator=generator, dtype=torch.float64) * 5
    positive, first = torch.zeros(6, 12, dtype=torch.bool), torch.tensor([0, 3, 5, 5, 11, 7])
    positive[torch.arange(6), first] = True
    positive[0, 4] = positive[0, 9] = positive[3, 1] = True
    negative = (torch.rand(6, 12, generator=generator) < 0.6) & ~positive
    return scores, positive, negative, first


@pytest.mark.parametrize("name", TWINS)
def test_it_equals_the_slow_twin(name, rows):
    scores, positive, negative, first = rows
    expected = 0.0
    for row in range(6):
        good, bad = (scores[row][mask[row]].exp().tolist() for mask in (positive, negative))
        expected += TWINS[name](good, bad, math.exp(scores[row, first[row]])) / 6
    scores.requires_grad_()
    loss = LOSSES[name]()(scores, positive, negative, first)
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    loss.backward()
    assert (scores.grad[negative] > 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_only_positives_and_negatives_have_a_gradient(name, rows):
    scores, positive, negative, first = rows
    scores.requires_grad_()
    LOSSES[name]()(scores, positive, negative, first).backward()
    assert (scores.grad[~positive & ~negative] == 0).all() and scores.grad[negative].any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_without_negatives_has_no_loss(name, rows):
    scores, positive, negative, first = rows
    loss = LOSSES[name]()(scores.float(), positive, torch.zeros_like(negative), first)
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_settings_name_a_loss_and_a_user_encoder_that_exist():
    settings = Settings.model_validate({"history": "cls", "training": {"loss": "log_out"}})
    assert (settings.history, settings.training.loss) == ("cls", "log_out")
    for wrong in ({"training": {"loss": "none such"}}, {"history": "none such"}):
        with pytest.raises(ValidationError):
            Settings.model_validate(wrong)


@pytest.fixture(params=["cls", "listing-vectors"])
def case(request, tiny_market):
    market = Market.open(tiny_market(listings=30, users=6, events_per_user=9))
    settings = Resolved(preset="tiny", history=request.param, features=FeatureConfig(text=False))
    featurizer, inputs, log = model_inputs(market, settings, 128)

    def make(seed: int = 0):
        torch.manual_seed(seed)
        model = build_model(featurizer.vocabulary, settings)
        for parameter in model.parameters():  # away from the silent start of the layers
            parameter.data += 0.05 * torch.randn_like(parameter)
        return model.eval()

    return make, inputs, log


def test_a_history_is_encoded_alike_alone_in_a_batch_and_as_a_prefix(case):
    make, inputs, log = case
    model, start, end = make(), log.start[:-1], log.start[1:] - np.arange(6)  # of 9, 8, .. 4 events
    together = encode_histories(model, inputs, start, end)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for user in range(6):
        alone = encode_histories(model, inputs, start[[user]], end[[user]])
        np.testing.assert_allclose(alone[0], together[user], atol=2e-6)
    table = encode_listings(model, inputs, np.arange(30))
    other = encode_histories(model, inputs, start, end, listings=np.roll(table, 1, axis=0))
    np.testing.assert_allclose(
        encode_histories(model, inputs, start, end, listings=table), together, atol=2e-6
    )
    assert (np.abs(other - together).max() > 1e-3) == (model.user_pass is not None)
    if model.user_pass is not None:  # every prefix of a window in one pass
        with torch.no_grad():
            prefixes = model.user_pass(torch.from_numpy(table), VectorBatch.of(inputs, start, end)).numpy()
        users, place = (
            np.repeat(np.arange(6), end - start),
            np.concatenate([np.arange(n) for n in end - start]),
        )
        alone = encode_histories(model, inputs, start[users], start[users] + place + 1, listings=table)
        np.testing.assert_allclose(prefixes, alone, atol=5e-6)


def test_order_and_event_features_matter_and_nothing_outside_the_history(case):
    make, inputs, log = case
    model, start, end = make(), log.start[:1], log.start[:1] + 5
    before = encode_histories(model, inputs, start, end)
    without = encode_histories(model, replace(inputs, meta=None), start, end)
    assert np.abs(without - before).max() > 1e-4
    model.train()
    np.testing.assert_array_equal(encode_histories(model, inputs, start, end), before)  # without dropout
    assert all(part.training for part in model.modules())  # and then the training continues
    inputs.listing[int(end[0]) :] = 0
    np.testing.assert_array_equal(encode_histories(model, inputs, start, end), before)
    rows = slice(int(start[0]), int(end[0]))
    inputs.listing[rows] = inputs.listing[rows][::-1].copy()
    assert np.abs(encode_histories(model, inputs, start, end) - before).max() > 1e-4


def test_an_empty_history_is_zero_and_the_newest_listings_alone_count_of_a_long_one(case):
    make, inputs, log = case
    model, start, end = make(), log.start[:3], log.start[1:4].copy()
    expected = encode_histories(model, inputs, start, end)
    end[1] = start[1]
    found = encode_histories(model, inputs, start, end)
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=2e-6)
    assert not found[1].any() and not encode_histories(model, inputs, start, start).any()
    short, end = replace(inputs, max_listings=4), log.start[1:4]
    newest = encode_histories(model, inputs, end - 4, end)
    np.testing.assert_allclose(encode_histories(model, short, start, end), newest, atol=1e-6)


def test_batches_hold_every_row_once_and_little_padding():
    lengths = np.random.default_rng(0).integers(1, 200, 500)
    batches = list(batches_by_length(lengths, 1000))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert all(len(rows) * lengths[rows].max() <= 1000 for rows in batches)


def test_weights_and_state_come_back_and_damage_is_named(case, tmp_path):
    make, _, _ = case
    model, other = make(), make(9)
    optimizer, later = (torch.optim.AdamW(one.parameters(), lr=1e-3) for one in (model, other))
    model.embedder.key.weight.sum().backward()
    optimizer.step()
    file, state = tmp_path / "w.safetensors", tmp_path / "s.safetensors"
    save_weights(file, model)
    save_state(state, model, optimizer, {"bank": torch.ones(2, 3)}, {"step": 7})
    extra, head = load_state(state, other, later)
    assert head == {"step": 7} and extra["bank"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in model.state_dict().items())
    moments = [next(iter(one.state_dict()["state"].values()))["exp_avg"] for one in (optimizer, later)]
    assert torch.equal(*moments)
    load_weights(file, other)
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:1000])
    for wrong, into in (("cut", model), ("nowhere", model), ("w", torch.nn.Linear(2, 2))):
        with pytest.raises(VibesError, match=f"{wrong}.safetensors"):
            load_weights(tmp_path / f"{wrong}.safetensors", into)
