"""The model as traceable graphs: padded arrays in (below), unit vectors out.

The weights and the computation are those of `listing_vibes.model.model`. Data-dependent shapes (which tokens have a photo, how many
members a set has) are replaced by gathers from tables, which every engine supports. Attention compares all tokens of a row under a
mask, since the form for long rows has shapes that depend on the length. Graphs are traced, written in a format, and run here.

The inputs of a graph are padded arrays with names:

    tokens      key, value, bin, fraction, set, content, position, item, type   (B, S); 0 at padding
    sets        set_member, set_weight (N, M): row n is one set, its members and their weights; rows 0 and 1 are empty
    contents    content_vector (C, w), content_view (C,): photos and texts, and the linear layer of each
                (first those of photos, then those of texts); rows 0 and 1 are empty, with view -1
    rows        length (B,) the number of tokens of each row

Every dimension except the batch is padded to at least 2 (rows to 3), since exporters treat a size of 1 as constant.

The inputs of a history of a model of listing vectors are
    table (U, d), listing, action, duration (B, K), length (B,)
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.errors import needs
from listing_vibes.features.featurizer import Features
from listing_vibes.features.sequences import Sequences
from listing_vibes.features.tokens.tabular import view_of_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.log import ranges
from listing_vibes.model.export.formats import FORMATS, Arrays, Graph
from listing_vibes.model.inputs import Inputs, VectorBatch
from listing_vibes.model.model import ListingEncoder, ListingModel, TokenEmbedder, UserEncoder

#: The minimum number of tokens of a row.
LEAST_LENGTH = 3
#: The dynamic dimensions of each input; all others are constants of the model.
TOKEN_INPUTS: dict[str, tuple[str | None, ...]] = {
    **dict.fromkeys(
        ("key", "value", "bin", "fraction", "set", "content", "position", "item", "type"), ("batch", "length")
    ),
    "set_member": ("sets", "members"),
    "set_weight": ("sets", "members"),
    "content_vector": ("contents", None),
    "content_view": ("contents",),
    "length": ("batch",),
}
VECTOR_INPUTS: dict[str, tuple[str | None, ...]] = {
    "table": ("listings", None),
    **dict.fromkeys(("listing", "action", "duration"), ("batch", "events")),
    "length": ("batch",),
}


class PaddedGraph(nn.Module):
    """Base class of a part of the model that takes a dictionary of arrays."""

    #: The names and dynamic dimensions of the arrays (None: the model's width).
    inputs: ClassVar[dict[str, tuple[str | None, ...]]]


class TokenGraph(PaddedGraph):
    """Encodes rows of tokens, of listings or (for a "cls" model) histories, to (B, d)."""

    inputs = TOKEN_INPUTS

    def __init__(self, model: ListingModel) -> None:
        super().__init__()
        self.embed, self.encoder = EmbedGraph(model.embedder), ListingEncoder(model.longformer.config)
        self.encoder.load_state_dict(model.longformer.state_dict())

    def forward(self, arrays: dict[str, Tensor]) -> Tensor:
        """Return the vectors (B, d) of `token_inputs`."""
        real = _real(arrays["length"], arrays["key"])
        return self.encoder.encode(
            self.embed(arrays), real, arrays["position"], arrays["type"], arrays["item"]
        )


class VectorGraph(PaddedGraph):
    """Encodes rows of listings, the histories of a "listing-vectors" model, to (B, d)."""

    inputs = VECTOR_INPUTS

    def __init__(self, user_pass: UserEncoder) -> None:
        super().__init__()
        self.user_pass = user_pass

    def forward(self, arrays: dict[str, Tensor]) -> Tensor:
        """Return the vectors (B, d) of `history_inputs`."""
        real = _real(arrays["length"], arrays["listing"])
        batch = VectorBatch(arrays["listing"], arrays["action"], arrays["duration"], real)
        return self.user_pass.newest(arrays["table"], batch)


class EmbedGraph(nn.Module):
    """`TokenEmbedder` for padded rows: (B, S, d), with arbitrary finite values at padding."""

    def __init__(self, embedder: TokenEmbedder) -> None:
        super().__init__()
        self.key, self.value = embedder.key, embedder.value
        self.layers = nn.ModuleList([*embedder.photo_layers, embedder.text])
        slope = embedder.slope.detach()
        below = F.pad(slope.cumsum(0), (0, 0, 1, 0))  # (bins + 1, d), row b = sum of slopes before b
        self.reached: Tensor
        self.slope: Tensor
        self.register_buffer("reached", below[: len(slope)] - below[embedder.first_bin])
        self.register_buffer("slope", slope.clone())

    def forward(self, arrays: dict[str, Tensor]) -> Tensor:
        value, bin, fraction = arrays["value"], arrays["bin"], arrays["fraction"]  # (B, S)
        vectors, views = arrays["content_vector"], arrays["content_view"]  # (C, d), (C,)
        x = self.key(arrays["key"]) + self.value(value) * (value > 0).unsqueeze(-1)  # (B, S, d)
        number = self.reached[bin] + fraction.unsqueeze(-1) * self.slope[bin]
        x = x + number * (bin > 0).unsqueeze(-1)
        sets = self.value(arrays["set_member"]) * arrays["set_weight"].unsqueeze(-1)  # (N, M, d)
        x = x + sets.sum(dim=1)[arrays["set"]]
        content = torch.zeros_like(vectors)
        for view, layer in enumerate(self.layers):
            content = content + layer(vectors) * (views == view).unsqueeze(-1)
        return cast(Tensor, x + content[arrays["content"]])


def _real(length: Tensor, like: Tensor) -> Tensor:
    """Return (B, S) bool: where the rows of `like` (B, S) are not padding."""
    return torch.arange(like.shape[1], device=like.device)[None, :] < length[:, None]


def token_inputs(sequences: Sequences, features: Features, vocabulary: Vocabulary) -> Arrays:
    """Return the inputs (int64 and float32) of B sequences."""
    length = sequences.length
    real = np.arange(length.max(initial=LEAST_LENGTH))[None, :] < length[:, None]  # (B, S)

    def padded(flat: np.ndarray) -> np.ndarray:
        full = np.zeros(real.shape, np.float32 if flat.dtype.kind == "f" else np.int64)
        full[real] = flat
        return full

    sizes = np.diff(sequences.set_offset)  # (n,)
    having = np.flatnonzero(sizes)
    member = np.zeros((2 + len(having), int(sizes.max(initial=2))), np.int64)  # (N, M)
    weight = np.zeros(member.shape, np.float32)
    line, column = np.repeat(np.arange(2, 2 + len(having)), sizes[having]), ranges(0 * having, sizes[having])
    member[line, column] = sequences.set_member
    weight[line, column] = 1 / np.repeat(sizes[having], sizes[having])
    set_row = np.zeros(len(sizes), np.int64)
    set_row[having] = np.arange(2, 2 + len(having))

    photo_view = view_of_key(vocabulary)
    tables = (
        (sequences.photo, features.photo, photo_view),
        (sequences.text, features.text, np.full(len(photo_view), vocabulary.photo_views)),
    )
    content = np.zeros(len(sizes), np.int64)
    width = max(features.photo.shape[1], features.text.shape[1])
    vectors, views = [np.zeros((2, width), np.float32)], [np.array([-1, -1])]
    for rows, table, view in tables:
        has = np.flatnonzero(rows >= 0)
        # Different views have different linear layers, so each pair of row and view is a separate content.
        pair, place = np.unique(
            np.stack([rows[has], view[sequences.key[has]]], axis=1), axis=0, return_inverse=True
        )
        content[has] = sum(map(len, vectors)) + place.reshape(-1)
        vectors.append(table[pair[:, 0]].astype(np.float32).reshape(-1, width))
        views.append(pair[:, 1])
    columns = ("key", "value", "bin", "fraction", "position", "item", "type")
    return {
        **{name: padded(getattr(sequences, name)) for name in columns},
        "set": padded(set_row),
        "content": padded(content),
        "set_member": member,
        "set_weight": weight,
        "content_vector": np.concatenate(vectors),
        "content_view": np.concatenate(views).astype(np.int64),
        "length": length.astype(np.int64),
    }


def history_inputs(
    model: ListingModel,
    inputs: Inputs,
    start: np.ndarray,
    end: np.ndarray,
    vocabulary: Vocabulary,
    table: np.ndarray,
) -> Arrays:
    """Return the inputs of the histories' graph of `model` for the events `start[b] : end[b]` (B,).

    `table` (L, d) has the vectors of all listings, which only a listing-vectors model needs.
    """
    if model.history_rows == "tokens":
        return token_inputs(inputs.histories(start, end), inputs.features, vocabulary)
    first = inputs.newest(start, end)
    batch = VectorBatch.of(inputs, first, end)
    short = ((0, 0), (0, max(0, 2 - batch.real.shape[1])))
    columns = {"listing": batch.listing, "action": batch.action, "duration": batch.duration}
    padded = {name: np.pad(column.numpy(), short) for name, column in columns.items()}
    return {"table": table.astype(np.float32), **padded, "length": (end - first).astype(np.int64)}


def graphs_of(model: ListingModel) -> tuple[PaddedGraph, PaddedGraph]:
    """Return the graph of listings and that of histories, which are the same if a history is a row of tokens as a listing is.

    The graphs have copies of the weights on the CPU, where they are traced, written and checked.
    """
    model = deepcopy(model).cpu()
    listings = TokenGraph(model.listing_part).eval()
    if model.history_rows == "vectors":
        return listings, VectorGraph(cast(UserEncoder, model.user_pass)).eval()
    return listings, listings if model.listing_part is model else TokenGraph(model).eval()


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
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
