"""The one array format of a run: safetensors, written atomically and mapped into memory, so that opening a file reads nothing of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from listing_vibes.market.durable import atomic_path

#: The key of what is noted in a file.
NOTE = "made of"
#: numpy's types by their names in a file.
TYPES = {
    "BOOL": np.bool_, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "U16": np.uint16,
    "U32": np.uint32, "U64": np.uint64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], note: str = "") -> None:
    """Write arrays to a file; the same arrays give the same bytes. Strings are stored as the numbers of their characters."""
    from safetensors.numpy import save_file

    stored = {
        name: np.ascontiguousarray(_characters(array) if array.dtype.kind == "U" else array)
        for name, array in arrays.items()
    }
    with atomic_path(path) as temporary:
        # One entry: safetensors writes several in no order, so that the same content would not be the same bytes.
        save_file(stored, temporary, {NOTE: note} if note else None)


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name, mapped; what is written to them stays in memory.

    Raises:
        Exception: nearly any, where the file is damaged or holds what is no plain array.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy"):  # refuses a file whose head does not fit its size
        pass
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        head = json.loads(stream.read(size))
    head.pop("__metadata__", None)
    return {
        name: _map(
            path, np.dtype(TYPES[item["dtype"]]), tuple(item["shape"]), 8 + size + item["data_offsets"][0]
        )
        for name, item in head.items()
    }


def read_note(path: Path) -> str:
    """Return the note that `save_arrays` wrote; "" where there is none or the file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as stored:
            return (stored.metadata() or {}).get(NOTE, "")
    except (OSError, SafetensorError):
        return ""


def to_strings(characters: np.ndarray) -> np.ndarray:
    """Return (L,) strings of what `save_arrays` stored of them, (L, w) uint32.

    Raises:
        ValueError: they are no characters.
    """
    if characters.ndim != 2 or characters.dtype != np.uint32 or characters.max(initial=0) > 0x10FFFF:
        raise ValueError(f"{characters.dtype} {characters.shape} are no strings")
    length = characters.shape[1]
    return (
        np.ascontiguousarray(characters).view(f"U{length}")[:, 0]
        if length
        else np.zeros(len(characters), "U1")
    )


def _characters(strings: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(strings).view(np.uint32).reshape(len(strings), -1)


def _map(path: Path, kind: np.dtype, shape: tuple[int, ...], begin: int) -> np.ndarray:
    if 0 in shape:
        return np.zeros(shape, kind)
    return np.memmap(path, kind, "c", begin, shape).view(np.ndarray)
