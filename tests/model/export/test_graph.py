"""The graphs that are exported: padded arrays through gathers give what the model gives."""

import numpy as np
import pytest
import torch

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors, combine
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.encoder import encode_histories, encode_listings
from listing_vibes.model.export.graph import graphs_of
from listing_vibes.model.export.inputs import history_inputs, listing_inputs
from listing_vibes.model.settings import Resolved
from listing_vibes.model.variants import build_model
from listing_vibes.run.engine import make_inputs

pytestmark = pytest.mark.slow

WIDTH, LISTINGS = 128, 30


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market(listings=LISTINGS, users=9, events_per_user=9, photos=2))


def eye(market: Market, name: str, seed: int) -> PhotoVectors:
    vectors = np.random.default_rng(seed).normal(size=(len(market.photos), 24)).astype(np.float16)
    return PhotoVectors(vectors, np.ones(len(vectors), bool), [], name)


def case(market: Market, photos: PhotoVectors | None, **settings):
    """A model away from the silent start of its layers, what it reads, and the market's events."""
    log = EventLog.from_market(market)
    chosen = Resolved.model_validate({"preset": "tiny"} | settings)
    featurizer = Featurizer.fit(market, chosen.features, WIDTH, np.arange(LISTINGS), log.duration, photos)
    inputs = make_inputs(featurizer, featurizer.transform(market, photos), log, chosen)
    torch.manual_seed(0)
    model = build_model(featurizer.vocabulary, chosen)
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.eval(), inputs, log, featurizer.vocabulary


@torch.inference_mode()
def run(graph, arrays) -> np.ndarray:
    return graph({name: torch.from_numpy(array) for name, array in arrays.items()}).numpy()


def compare(model, inputs, log, vocabulary) -> None:
    rows, users = np.array([3, 0, 17, 29]), np.array([0, 4, 8])
    start, end = log.start[users], log.start[users + 1] - np.array([0, 3, 8])
    table = encode_listings(model, inputs, np.arange(LISTINGS))
    history = encode_histories(model, inputs, start, end)
    listings, histories = graphs_of(model)
    found = run(listings, listing_inputs(model, inputs, rows, vocabulary))
    np.testing.assert_allclose(found, table[rows], atol=1e-6)
    found = run(histories, history_inputs(model, inputs, start, end, vocabulary, table))
    np.testing.assert_allclose(found, history, atol=2e-6)


@pytest.mark.parametrize("history", ["cls", "listing-vectors"])
def test_graphs_give_what_the_model_gives(market, history):
    compare(*case(market, eye(market, "a", 0), history=history, features=FeatureConfig(text=False)))


def test_several_photo_views_go_through_their_own_layers(market):
    photos = combine([eye(market, "a", 0), eye(market, "b", 1)])
    model, *rest = case(market, photos, features=FeatureConfig(text=False))
    assert len(model.embedder.more_photos) == 1
    compare(model, *rest)


def test_word_pieces(market):
    features = FeatureConfig(text=False, tokenisation="wordpiece")
    compare(*case(market, None, history="cls", features=features))


def test_a_side_of_its_own_for_listings(market):
    """A two-stage model reads bare listings by weights that differ from those for histories."""
    training = {"recipe": "two-stage"}
    features = FeatureConfig(text=False)
    model, *rest = case(market, None, history="cls", features=features, training=training)
    listings, histories = graphs_of(model)
    assert histories is not listings
    compare(model, *rest)


def test_one_graph_where_listings_and_histories_are_read_alike(market):
    model, *_ = case(market, None, history="cls", features=FeatureConfig(text=False))
    listings, histories = graphs_of(model)
    assert histories is listings
