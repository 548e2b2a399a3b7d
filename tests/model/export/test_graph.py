"""The exported graphs of padded arrays give what the model gives."""

import numpy as np
import pytest
import torch

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
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
CASES = {
    "cls": ({"history": "cls"}, True),
    "listing-vectors": ({"history": "listing-vectors"}, True),
    "precomputed vectors": ({}, True),
    "word pieces": ({"history": "cls", "features": {"tokenisation": "wordpiece"}}, False),
    "a listing side of its own": ({"history": "cls", "training": {"recipe": "two-stage"}}, False),
}


def photos_of(market: Market) -> PhotoVectors:
    count = len(market.photos)
    vectors = np.random.default_rng(0).normal(size=(count, 24)).astype(np.float16)
    return PhotoVectors(vectors, np.ones(count, bool), [], "a")


@torch.inference_mode()
def run(graph, arrays) -> np.ndarray:
    return graph({name: torch.from_numpy(array) for name, array in arrays.items()}).numpy()


@pytest.mark.parametrize("name", CASES)
def test_graphs_give_what_the_model_gives(tiny_market, name):
    folder = tiny_market(listings=LISTINGS, users=9, events_per_user=9, photos=2)
    if name == "precomputed vectors":
        np.save(folder / "clip.npy", np.random.default_rng(1).normal(size=(LISTINGS, 20)).astype(np.float32))
        with (folder / "market.toml").open("a") as stream:
            stream.write('\n[vectors.clip]\npath = "clip.npy"\ntokens = true\n')
    market, (settings, has_photos) = Market.open(folder), CASES[name]
    photos = photos_of(market) if has_photos else None
    features = {"text": False, **settings.get("features", {})}
    chosen = Resolved.model_validate({"preset": "tiny", **settings, "features": features})
    log = EventLog.from_market(market)
    featurizer = Featurizer.fit(market, chosen.features, WIDTH, np.arange(LISTINGS), log.duration, photos)
    vocabulary = featurizer.vocabulary
    inputs = make_inputs(featurizer, featurizer.transform(market, photos), log, chosen)
    torch.manual_seed(1)
    model = build_model(vocabulary, chosen).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    rows, users = np.array([3, 0, 17, 29]), np.array([0, 4, 8])
    start, end = log.start[users], log.start[users + 1] - np.array([0, 3, 8])
    table = encode_listings(model, inputs, np.arange(LISTINGS))
    listings, histories = graphs_of(model)
    assert (histories is listings) == (name in ("cls", "word pieces"))
    found = run(listings, listing_inputs(inputs, rows, vocabulary))
    np.testing.assert_allclose(found, table[rows], atol=1e-6)
    found = run(histories, history_inputs(model, inputs, start, end, vocabulary, table))
    np.testing.assert_allclose(found, encode_histories(model, inputs, start, end), atol=2e-6)
