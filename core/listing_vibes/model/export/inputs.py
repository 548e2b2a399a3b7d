"""The inputs of an exported graph: padded arrays with names, computed without torch.

    tokens      key, value, bin, fraction, set, content, position, item, type   (B, S); 0 at padding
    sets        set_member, set_weight (N, M): row n is one set, its members and their weights; rows 0 and 1 are empty
    contents    content_vector (C, w), content_view (C,): photos and texts, and the linear layer of each
                (first those of photos, then those of texts); rows 0 and 1 are empty, with view -1
    rows        length (B,) the number of tokens of each row

Every dimension except the batch is padded to at least 2 (rows to 3), since exporters treat a size of 1 as constant.

The inputs of a history of a model of listing vectors are
    table (U, d), listing, action, duration (B, K), length (B,)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.features.featurizer import Features
from listing_vibes.features.sequences import Sequences
from listing_vibes.features.tokens.tabular import view_of_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.log import ranges

if TYPE_CHECKING:
    from listing_vibes.model.inputs import Inputs
    from listing_vibes.model.model import ListingModel

Arrays = dict[str, np.ndarray]
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
    return {
        "key": padded(sequences.key),
        "value": padded(sequences.value),
        "bin": padded(sequences.bin),
        "fraction": padded(sequences.fraction.astype(np.float32)),
        "set": padded(set_row),
        "content": padded(content),
        "position": padded(sequences.position),
        "item": padded(sequences.item),
        "type": padded(sequences.type),
        "set_member": member,
        "set_weight": weight,
        "content_vector": np.concatenate(vectors),
        "content_view": np.concatenate(views).astype(np.int64),
        "length": length.astype(np.int64),
    }


def listing_inputs(inputs: Inputs, rows: np.ndarray, vocabulary: Vocabulary) -> Arrays:
    """Return the inputs of the listings' graph for the listings `rows` (B,)."""
    return token_inputs(inputs.listings(rows), inputs.features, vocabulary)


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
    if model.user_pass is None:
        return token_inputs(inputs.histories(start, end), inputs.features, vocabulary)
    return vector_inputs(inputs, inputs.newest(start, end), end, table)


def vector_inputs(inputs: Inputs, first: np.ndarray, end: np.ndarray, table: np.ndarray) -> Arrays:
    """Return the inputs of the histories `first[b] : end[b]` (B,) of a listing-vectors model; `table` (L, d) has all listings."""
    count = end - first
    real = np.arange(count.max(initial=2))[None, :] < count[:, None]  # (B, K)
    event = ranges(first, count)

    def padded(values: np.ndarray | None) -> np.ndarray:
        full = np.zeros(real.shape, np.int64)
        if values is not None:
            full[real] = values[event]
        return full

    meta = inputs.meta
    return {
        "table": table.astype(np.float32),
        "listing": padded(inputs.listing),
        "action": padded(None if meta is None else meta.action),
        "duration": padded(None if meta is None else meta.duration),
        "length": count.astype(np.int64),
    }
