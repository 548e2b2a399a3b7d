"""Every export format runs what it wrote, for any number of rows, and names the library that it lacks."""

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import FORMATS
from listing_vibes.model.export.graph import PaddedGraph, open_graph, write_graph

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


@pytest.mark.parametrize(
    ("name", "library"),
    [("onnx", "onnxscript"), pytest.param("int8", "onnxruntime.quantization", marks=pytest.mark.slow)],
)
def test_a_missing_library_is_named_with_the_extra(name, library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(VibesError, match=r"listing-vibes\[export\]"):
        write_graph(Sum().eval(), arrays_of(4, 5), tmp_path / "graph", name, 16)
    assert not list(tmp_path.iterdir())
