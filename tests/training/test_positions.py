"""A model has as many token positions as its market needs; what was asked for by hand stands."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from listing_vibes.errors import VibesError
from listing_vibes.features import featurizer as featurizing
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.tokens import wordpiece
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.pretrained import start_from
from listing_vibes.model.settings import Resolved
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run
from listing_vibes.training.positions import STEP, with_positions
from listing_vibes.training.refit import refit_settings
from listing_vibes.training.train import train


def photo_vectors(market: Market, encoder: str = "one") -> PhotoVectors:
    rng = np.random.default_rng(5)
    count = len(market.photos)
    return PhotoVectors(rng.normal(size=(count, 40)).astype(np.float32), np.ones(count, bool), [], encoder)


def fitted(market: Market, features: dict) -> tuple[Featurizer, object]:
    config, log = FeatureConfig.model_validate(features), EventLog.from_market(market)
    rows = np.arange(len(market.listings))
    photos = photo_vectors(market)
    featurizer = Featurizer.fit(market, config, 32, rows, log.duration, photos)
    return featurizer, featurizer.transform(market, photos)


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(photos=3, listings=40))


@pytest.mark.slow
@pytest.mark.parametrize(
    "features",
    [
        {},
        {"words": False, "photos": 2},
        {"text": False, "photos": 1},
        {"text_views": ("minilm", "tfidf"), "photos": 2},
        {"photos": 0},
        {"attributes": False},
    ],
)
def test_the_longest_listing_is_one_that_has_everything(market, features):
    featurizer, found = fitted(market, features)
    lengths = 1 + np.diff(found.tokens.offset)
    # Of forty listings some have a price, an amenity, every photo and every view of the title.
    expected = featurizer.longest_listing
    if FeatureConfig.model_validate(features).photo_tokens > 3:
        expected -= 1  # four photos are read, three are there
    assert lengths.max() == expected


def test_word_pieces_are_cut_at_what_the_longest_listing_has(market, monkeypatch):
    monkeypatch.setattr(wordpiece, "LISTING_TOKENS", 9)
    monkeypatch.setattr(featurizing, "LISTING_TOKENS", 9)
    featurizer, found = fitted(market, {"tokenisation": "wordpiece", "photos": 3})
    assert (1 + np.diff(found.tokens.offset)).max() == featurizer.longest_listing == 1 + 9 + 1 + 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "history, max_listings, rows",
    # One listing with everything: [CLS], title twice, room type, price, pets, amenities, place, four photos = 12 tokens.
    [
        ("listing-vectors", 50, 16),
        ("cls", 50, 1 + 50 * 13),  # action and duration with each
        ("cls", 1, 14),
        ("cls", 3, 1 + 3 * 13),
    ],
)
def test_rows_by_reader(market, history, max_listings, rows):
    featurizer, features = fitted(market, {})
    assert featurizer.longest_listing == 12
    settings = Resolved.model_validate({"history": history, "training": {"max_listings": max_listings}})
    found = with_positions(settings, market, featurizer, features)
    assert found.positions == -(-rows // STEP) * STEP == found.encoder_config().max_tokens
    assert found.asked_encoder_config().max_tokens == 1024


def test_histories_have_no_more_rows_than_the_preset_but_one_listing_fits(market):
    featurizer, features = fitted(market, {"tokenisation": "wordpiece"})
    settings = Resolved(history="cls")
    assert with_positions(settings, market, featurizer, features).positions == 1024
    featurizer.vocabulary.attributes.extend([featurizer.vocabulary.attributes[0]] * 2000)
    wide = with_positions(settings, market, *fitted_wide(featurizer, features))
    assert wide.positions >= featurizer.longest_listing + 2


def fitted_wide(featurizer, features):
    config = featurizer.config.model_copy(update={"tokenisation": "tabular"})
    return Featurizer(
        config, 32, featurizer.vocabulary, featurizer.photo_reducers, "one", featurizer.texts
    ), features


def test_max_tokens_by_hand_stands_and_is_refused_where_a_listing_does_not_fit(market):
    featurizer, features = fitted(market, {})
    longest = 1 + int(np.diff(features.tokens.offset).max())
    by_hand = Resolved(encoder={"max_tokens": longest})
    found = with_positions(by_hand, market, featurizer, features)
    assert found.positions is None and found.encoder_config().max_tokens == longest
    short = Resolved(encoder={"max_tokens": longest - 1})
    with pytest.raises(
        VibesError, match=f"max_tokens is {longest - 1}, but .*market has a listing of {longest} tokens"
    ):
        with_positions(short, market, featurizer, features)
    with pytest.raises(VibesError, match=f"set it to at least {longest + 2}"):
        with_positions(by_hand.model_copy(update={"history": "cls"}), market, featurizer, features)


@pytest.mark.slow
def test_a_shorter_table_draws_the_same_weights_beside_it(market):
    featurizer, _ = fitted(market, {})
    models = []
    for positions in (None, 16, 2000):
        torch.manual_seed(3)
        settings = Resolved(preset="tiny", positions=positions, training={"recipe": "two-stage"})
        models.append((ListingModel.of(featurizer.vocabulary, settings), torch.rand(1)))
    (whole, drawn), *others = models
    table = "longformer.token_position.weight"
    for (model, again), rows in zip(others, (16, 2000), strict=True):
        assert again == drawn
        for name, tensor in model.state_dict().items():
            theirs = whole.state_dict()[name]
            if name.endswith(table):
                assert len(tensor) == rows and len(theirs) == 1024
                least = min(rows, 1024)
                assert torch.equal(tensor[:least], theirs[:least]) and not tensor[least:].any()
            else:
                assert torch.equal(tensor, theirs), name
        assert model.longformer.token_position.weight.requires_grad
        assert model.listing_side is not None and model.listing_side.longformer.config.max_tokens == rows


@pytest.mark.slow
def test_a_run_carries_what_it_needs_and_takes_listings_that_come_later(tiny_market, quick, tmp_path):
    market = Market.open(tiny_market(listings=30, users=20, photos=2))
    settings = quick.model_copy(update={"history": "listing-vectors"})
    train(market, tmp_path / "run", settings, None)
    run = Run.open(tmp_path / "run")
    assert run.manifest.settings.positions == run.engine.model.longformer.config.max_tokens == 16
    assert len(run.engine.model.longformer.token_position.weight) == 16
    everything = {
        "title": "new", "price": 10, "room_type": "Entire home", "pets": True, "amenities": ["Wifi"],
        "latitude": 53.55, "longitude": 10.0,
    }  # fmt: skip
    assert Newcomers(run).encode(everything, spaces=["model"]).vectors["model"].shape == (32,)
    again = refit_settings(tmp_path / "run", market)
    assert again.positions is None and "max_tokens" not in again.encoder


@pytest.mark.slow
@pytest.mark.parametrize("history", ["listing-vectors", "cls"])
def test_a_shorter_table_learns_the_same(tiny_market, quick, tmp_path, history):
    market = Market.open(tiny_market(listings=30, users=20, photos=0, events_per_user=20))
    training = quick.training.model_copy(update={"max_steps": 8, "bf16": False, "max_listings": 12})
    settings = quick.model_copy(update={"history": history, "training": training})
    train(market, tmp_path / "fitted", settings, None)
    asked = settings.model_copy(update={"encoder": settings.encoder | {"max_tokens": 1024}})
    train(market, tmp_path / "asked", asked, None)
    fitted, whole = (load_file(tmp_path / name / "model.safetensors") for name in ("fitted", "asked"))
    table = "longformer.token_position.weight"
    rows = len(fitted[table])
    assert rows < len(whole[table]) == 1024
    np.testing.assert_allclose(fitted.pop(table), whole.pop(table)[:rows], atol=1e-5)
    for name, array in fitted.items():
        # The norm of the gradient, by which it is clipped, is a sum over other rows of zeros: in another order.
        np.testing.assert_allclose(array, whole[name], atol=1e-5, err_msg=name)


def test_a_run_from_before_opens_with_the_table_of_its_preset(market):
    featurizer, _ = fitted(market, {})
    before = Resolved.model_validate(Resolved(preset="tiny").model_dump(exclude={"positions"}))
    assert before.positions is None
    assert len(ListingModel.of(featurizer.vocabulary, before).longformer.token_position.weight) == 1024


@pytest.mark.slow
def test_a_published_model_with_fewer_positions_than_the_preset_is_enough(market, tmp_path):
    transformers = pytest.importorskip("transformers")
    featurizer, features = fitted(market, {})
    config = transformers.LongformerConfig(
        attention_window=8, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512,
        max_position_embeddings=82, type_vocab_size=1, vocab_size=30,
    )  # fmt: skip
    transformers.LongformerModel(config).save_pretrained(tmp_path, safe_serialization=True)
    settings = Resolved(preset="tiny")
    with pytest.raises(VibesError, match="80 positions"):
        start_from(tmp_path, ListingModel.of(featurizer.vocabulary, settings).longformer)
    settings = with_positions(settings, market, featurizer, features)
    start_from(tmp_path, ListingModel.of(featurizer.vocabulary, settings).longformer)


@pytest.mark.parametrize("history", ["listing-vectors", "cls"])
def test_a_longer_history_gets_a_place_for_each_of_its_listings(history):
    places = {
        most: Resolved.model_validate({"history": history, "training": {"max_listings": most}})
        .encoder_config()
        .max_items
        for most in (3, 50, 200)
    }
    assert places == {3: 51, 50: 51, 200: 201}


def test_too_few_places_by_hand_are_refused():
    settings = Resolved.model_validate({"encoder": {"max_items": 51}, "training": {"max_listings": 60}})
    with pytest.raises(VibesError, match="max_items is 51, which leaves places for 50 of the 60 listings"):
        settings.encoder_config()
