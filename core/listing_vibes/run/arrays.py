"""Array files of a run: safetensors, written atomically and memory-mapped, so that opening a file does not read the arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from listing_vibes.market.durable import atomic_path

#: The metadata key of the note in a file.
NOTE = "made of"
#: The numpy type of each type name in a file.
TYPES = {
    "BOOL": np.bool_, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "U16": np.uint16,
    "U32": np.uint32, "U64": np.uint64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], note: str = "") -> None:
    """Write arrays to a file; the same arrays give the same bytes. Strings are stored as the code points of their characters."""
    from safetensors.numpy import save_file

    stored = {
        name: np.ascontiguousarray(_characters(array) if array.dtype.kind == "U" else array)
        for name, array in arrays.items()
    }
    with atomic_path(path) as temporary:
        # Only one entry, since safetensors writes several in any order and the same content must give the same bytes.
        save_file(stored, temporary, {NOTE: note} if note else None)


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the memory-mapped arrays of a file by name; changes to them stay in memory.

    Raises:
        Exception: almost any, if the file is damaged or does not contain plain arrays.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy"):  # Raises an error if the header does not fit the file's size.
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
    """Return the note that `save_arrays` wrote; "" if there is none or the file is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as stored:
            return (stored.metadata() or {}).get(NOTE, "")
    except (OSError, SafetensorError):
        return ""


def to_strings(characters: np.ndarray) -> np.ndarray:
    """Return the strings (L,) of the code points (L, w) uint32 that `save_arrays` stored.

    Raises:
        ValueError: the array does not contain code points.
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
