"""Exports run what they wrote for any number of rows, and graphs give what the model gives."""

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from helpers.tiny import random_photos
from helpers.trainings import model_inputs
from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
from listing_vibes.model.checkpoint import build_model
from listing_vibes.model.encoder import encode_histories, encode_listings
from listing_vibes.model.export.formats import FORMATS
from listing_vibes.model.export.graph import (
    PaddedGraph,
    graphs_of,
    history_inputs,
    open_graph,
    token_inputs,
    write_graph,
)
from listing_vibes.model.settings import Resolved

WIDTH = 8


class Sum(PaddedGraph):
    """The sum of each row's vectors through one matrix, as a unit vector."""

    inputs = {"x": ("batch", "length", None), "length": ("batch",)}  # noqa: RUF012
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(WIDTH, WIDTH)

    def forward(self, arrays):
        real = torch.arange(arrays["x"].shape[1])[None, :] < arrays["length"][:, None]
        return F.normalize((self.layer(arrays["x"]) * real[:, :, None]).sum(1), dim=-1)


def arrays_of(rows, length, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, length, WIDTH)).astype(np.float32)
    return {"x": x, "length": rng.integers(1, length + 1, rows)}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_file_gives_what_the_graph_gives(name, tmp_path):
    graph, path = Sum().eval(), tmp_path / f"graph{FORMATS[name].suffix}"
    write_graph(graph, arrays_of(4, 5), path, name, 16)
    run = open_graph(path, name)
    for rows, length in ((1, 3), (7, 16)):
        arrays = arrays_of(rows, length, rows)
        with torch.no_grad():
            expected = graph({key: torch.from_numpy(value) for key, value in arrays.items()}).numpy()
        found = run(arrays)
        assert found.shape == (rows, WIDTH) and (found * expected).sum(1).min() > 0.995
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_missing_library_is_named_with_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(VibesError, match=r"listing-vibes\[export\]"):
        write_graph(Sum().eval(), arrays_of(4, 5), tmp_path / "graph", "onnx", 16)
    assert not list(tmp_path.iterdir())


MODEL_WIDTH, LISTINGS = 128, 30
CASES = {
    "cls": ({"history": "cls"}, True),
    "listing-vectors": ({"history": "listing-vectors"}, True),
    "precomputed vectors": ({}, True),
    "word pieces": ({"history": "cls", "features": {"tokenisation": "wordpiece"}}, False),
    "a listing side of its own": ({"history": "cls", "training": {"recipe": "two-stage"}}, False),
}


@torch.inference_mode()
def run(graph, arrays) -> np.ndarray:
    return graph({name: torch.from_numpy(array) for name, array in arrays.items()}).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_graphs_give_what_the_model_gives(tiny_market, name):
    folder = tiny_market(listings=LISTINGS, users=9, events_per_user=9, photos=2)
    if name == "precomputed vectors":
        np.save(folder / "clip.npy", np.random.default_rng(1).normal(size=(LISTINGS, 20)).astype(np.float32))
        with (folder / "market.toml").open("a") as stream:
            stream.write('\n[vectors.clip]\npath = "clip.npy"\ntokens = true\n')
    market, (settings, has_photos) = Market.open(folder), CASES[name]
    photos = random_photos(market) if has_photos else None
    features = {"text": False, **settings.get("features", {})}
    chosen = Resolved.model_validate({"preset": "tiny", **settings, "features": features})
    featurizer, inputs, log = model_inputs(market, chosen, MODEL_WIDTH, photos)
    vocabulary = featurizer.vocabulary
    torch.manual_seed(1)
    model = build_model(vocabulary, chosen).eval()
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    rows, users = np.array([3, 0, 17, 29]), np.array([0, 4, 8])
    start, end = log.start[users], log.start[users + 1] - np.array([0, 3, 8])
    table = encode_listings(model, inputs, np.arange(LISTINGS))
    listings, histories = graphs_of(model)
    assert (histories is listings) == (name in ("cls", "word pieces"))
    found = run(listings, token_inputs(inputs.listings(rows), inputs.features, vocabulary))
    np.testing.assert_allclose(found, table[rows], atol=1e-6)
    found = run(histories, history_inputs(model, inputs, start, end, vocabulary, table))
    np.testing.assert_allclose(found, encode_histories(model, inputs, start, end), atol=2e-6)
