"""The whole model: batching must not change an embedding, and a history must not see what it is not told."""

import numpy as np
import pytest
import torch

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.checkpoint import load_state, load_weights, save_state, save_weights
from listing_vibes.model.encoder import ListingModel, encode_histories, encode_listings
from listing_vibes.model.settings import Resolved
from listing_vibes.packed.batches import batches_by_length
from listing_vibes.run.engine import make_inputs


@pytest.fixture(params=["cls", "listing-vectors"])
def case(request, tiny_market):
    market = Market.open(tiny_market(listings=30, users=12, events_per_user=9))
    log = EventLog.from_market(market)
    settings = Resolved(preset="tiny", history=request.param, features=FeatureConfig(text=False))
    featurizer = Featurizer.fit(market, settings.features, 128, np.arange(30), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, settings)
    torch.manual_seed(0)
    model = ListingModel(featurizer.vocabulary, settings.encoder_config(), settings.history)
    model.vocabulary = featurizer.vocabulary
    return model, inputs, log


def test_an_embedding_is_the_same_alone_and_in_a_batch(case):
    model, inputs, log = case
    ends = log.start[1:]
    together = encode_histories(model, inputs, log.start[:-1], ends, 128)
    for user in range(len(ends)):
        alone = encode_histories(model, inputs, log.start[[user]], ends[[user]], 128)
        np.testing.assert_allclose(alone[0], together[user], atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_history_without_events_is_nothing(case):
    model, inputs, log = case
    start, end = log.start[:3], log.start[1:4].copy()
    expected = encode_histories(model, inputs, start, end, 128)
    end[1] = start[1]
    found = encode_histories(model, inputs, start, end, 128)
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=2e-6)
    assert not found[1].any() and not encode_histories(model, inputs, start, start, 128).any()


def test_histories_tell_the_newest_listings_apart_from_the_oldest(case):
    """Order matters: the same listings the other way round are another history."""
    model, inputs, log = case
    start, end = log.start[:1], log.start[1:2]
    forward = encode_histories(model, inputs, start, end, 128)
    rows = slice(int(start[0]), int(end[0]))
    inputs.listing[rows] = inputs.listing[rows][::-1].copy()
    assert np.abs(encode_histories(model, inputs, start, end, 128) - forward).max() > 1e-4


def test_events_outside_the_history_change_nothing(case):
    model, inputs, log = case
    start, end = log.start[:1], log.start[:1] + 4
    before = encode_histories(model, inputs, start, end, 128)
    inputs.listing[int(end[0]) :] = 0
    np.testing.assert_array_equal(encode_histories(model, inputs, start, end, 128), before)


@pytest.mark.slow
def test_vectors_of_listings_that_are_at_hand_are_not_made_anew(case):
    model, inputs, log = case
    start, end, table = log.start[:-1], log.start[1:], encode_listings(model, inputs, np.arange(30), 128)
    expected = encode_histories(model, inputs, start, end, 128)
    np.testing.assert_allclose(
        encode_histories(model, inputs, start, end, 128, listings=table), expected, atol=2e-6
    )
    other = encode_histories(model, inputs, start, end, 128, listings=np.roll(table, 1, axis=0))
    read = model.history == "listing-vectors"
    assert (np.abs(other - expected).max() > 1e-3) == read


@pytest.mark.parametrize("training", [True, False])
def test_a_model_that_was_asked_in_the_midst_of_its_training_trains_on(case, training):
    """Nothing falls out of what it encodes, and afterwards dropout falls as before."""
    model, inputs, log = case
    expected = encode_listings(model.eval(), inputs, np.arange(30), 128)
    model.train(training)
    np.testing.assert_array_equal(encode_listings(model, inputs, np.arange(30), 128), expected)
    encode_histories(model, inputs, log.start[:1], log.start[1:2], 128)
    assert all(part.training is training for part in model.modules())


def test_embeddings_start_out_apart(case):
    """Training from scratch needs something to tell apart: untrained embeddings must not all be alike."""
    model, inputs, _ = case
    vectors = encode_listings(model, inputs, np.arange(30), 128)
    assert (vectors.mean(axis=0) ** 2).sum() < 0.98


def test_batches_hold_every_row_once_and_little_padding():
    lengths = np.random.default_rng(0).integers(1, 200, 500)
    batches = list(batches_by_length(lengths, 1000))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert all(len(rows) * lengths[rows].max() <= 1000 for rows in batches)


@pytest.mark.slow
def test_weights_and_state_come_back(case, tmp_path):
    model, _inputs, _ = case
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.embedder.key.weight.sum().backward()
    optimizer.step()
    save_weights(tmp_path / "w.safetensors", model)
    save_state(tmp_path / "s.safetensors", model, optimizer, {"bank": torch.ones(2, 3)}, {"step": 7})
    torch.manual_seed(9)
    other = ListingModel(model.vocabulary, model.longformer.config, model.history)
    assert not torch.equal(other.embedder.key.weight, model.embedder.key.weight)
    later = torch.optim.AdamW(other.parameters(), lr=1e-3)
    extra, head = load_state(tmp_path / "s.safetensors", other, later)
    assert head == {"step": 7} and extra["bank"].tolist() == [[1, 1, 1], [1, 1, 1]]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    assert torch.equal(
        next(iter(later.state_dict()["state"].values()))["exp_avg"],
        next(iter(optimizer.state_dict()["state"].values()))["exp_avg"],
    )
    load_weights(tmp_path / "w.safetensors", other)


def test_damaged_and_foreign_weights(case, tmp_path):
    model, _, _ = case
    save_weights(tmp_path / "w.safetensors", model)
    whole = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:1000])
    with pytest.raises(VibesError, match="damaged"):
        load_weights(tmp_path / "cut.safetensors", model)
    with pytest.raises(VibesError, match="is missing"):
        load_weights(tmp_path / "nowhere.safetensors", model)
    with pytest.raises(VibesError, match="does not fit"):
        load_weights(tmp_path / "w.safetensors", torch.nn.Linear(2, 2))
