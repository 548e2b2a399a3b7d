"""Array files of a run: safetensors, written atomically and memory-mapped, so that opening a file does not read the arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.market.durable import atomic_path

#: The key of the metadata in a header, and in it the key of a file's note.
METADATA, NOTE = "__metadata__", "made of"
#: The numpy type of each type name in a file.
TYPES = {
    "BOOL": np.bool_, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "U16": np.uint16,
    "U32": np.uint32, "U64": np.uint64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], note: str = "") -> None:
    """Write arrays to a file; the same arrays give the same bytes. Strings are stored as the code points of their characters."""
    from safetensors.numpy import save_file

    stored = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    for name, array in stored.items():
        if array.dtype.kind == "U":
            stored[name] = array.view(np.uint32).reshape(len(array), -1)
    with atomic_path(path) as temporary:
        # Only one entry, since safetensors writes several in any order and the same content must give the same bytes.
        save_file(stored, temporary, {NOTE: note} if note else None)


def map_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the memory-mapped arrays of a file by name; changes to them stay in memory.

    Raises:
        Exception: almost any, if the file is damaged or does not contain plain arrays.
    """
    header, begin = read_header(path)
    header.pop(METADATA, None)
    arrays = {}
    for name, item in header.items():
        kind, shape = np.dtype(TYPES[item["dtype"]]), tuple(item["shape"])
        if 0 in shape:
            arrays[name] = np.zeros(shape, kind)
        else:
            mapped = np.memmap(path, kind, "c", begin + item["data_offsets"][0], shape)
            arrays[name] = mapped.view(np.ndarray)
    return arrays


def read_note(path: Path) -> str:
    """Return the note that `save_arrays` wrote; "" if there is none or the file is damaged."""
    try:
        return str(read_header(path)[0].get(METADATA, {}).get(NOTE, ""))
    except Exception:  # Almost any, see `map_arrays`.
        return ""


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file, and the offset of its data.

    Raises:
        Exception: almost any, if the file is damaged.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy"):  # Raises an error if the header does not fit the file's size.
        pass
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        return json.loads(stream.read(size)), 8 + size


def to_strings(characters: np.ndarray) -> np.ndarray:
    """Return the strings (L,) of the code points (L, w) uint32 that `save_arrays` stored.

    Raises:
        ValueError: the array does not contain code points.
    """
    if characters.ndim != 2 or characters.dtype != np.uint32 or characters.max(initial=0) > 0x10FFFF:
        raise ValueError(f"{characters.dtype} {characters.shape} are not strings")
    length = characters.shape[1]
    return (
        np.ascontiguousarray(characters).view(f"U{length}")[:, 0]
        if length
        else np.zeros(len(characters), "U1")
    )
