"""Tracing of graphs, writing them in a format, and running them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from listing_vibes.errors import needs
from listing_vibes.market.durable import atomic_path
from listing_vibes.model.export.formats import FORMATS, Graph
from listing_vibes.model.export.graph import PaddedGraph
from listing_vibes.model.export.inputs import LEAST_LENGTH, Arrays


def write_graph(graph: PaddedGraph, sample: Arrays, path: Path, format: str, rows: int) -> None:
    """Write `graph` to a file, with dynamic batch and lengths.

    Args:
        format: one of `FORMATS`.
        sample: sample inputs, with every dynamic dimension of at least 2.
        rows: the maximum length of a row, in tokens or events.

    Raises:
        VibesError: a library is missing.
    """
    with _quietly():
        program = _traced(graph, sample, rows)
        with atomic_path(path) as temporary, needs("Exporting", "export"):
            FORMATS[format]().write(program, sorted(sample), temporary)


def open_graph(path: Path, format: str) -> Graph:
    """Return a function that runs the file on this machine's CPU: arrays in, (B, d) float32 out.

    Raises:
        VibesError: a library is missing, or the file is not a graph.
    """
    with needs("Exporting", "export"):
        return FORMATS[format]().open(path)


def _traced(graph: PaddedGraph, sample: Arrays, rows: int) -> torch.export.ExportedProgram:
    dims: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    for name, axes in graph.inputs.items():
        for axis in filter(None, axes):
            most = {"max": rows} if axis in ("length", "events") else {}
            least = LEAST_LENGTH if axis == "length" else 1
            dims.setdefault(axis, torch.export.Dim(axis, min=least, **most))
        shapes[name] = {place: dims[axis] for place, axis in enumerate(axes) if axis is not None}
    tensors = tensors_of(sample)
    given = ({name: shapes[name] for name in tensors},)
    with torch.no_grad():
        return torch.export.export(graph, (tensors,), dynamic_shapes=given, strict=False)


def tensors_of(arrays: Arrays) -> dict[str, torch.Tensor]:
    """Return the tensors sorted by name, since the inputs of a compiled graph are ordered."""
    return {name: torch.from_numpy(arrays[name]) for name in sorted(arrays)}


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress the exporters' verbose messages."""
    loggers = [logging.getLogger(name) for name in (None, "onnxscript", "onnx_ir", "torch.onnx")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
