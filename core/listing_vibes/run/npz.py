"""Arrays in an `.npz` file laid out so that they can be mapped into memory: opening such a file reads nothing of them.

It is a zip of `.npy` files as numpy writes and reads it, uncompressed, in which every array begins at a multiple of 64
bytes of the file; what is needed for that is padded in the zip's own headers. A file of before is read whole.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

ALIGNED = 64  # bytes
_PADDING = 0xD935  # how Android's zipalign marks it
_LOCAL, _ZIP64 = 30, 20  # bytes of a local file header before the name, and of its record of sizes


@dataclass(frozen=True)
class Place:
    """Where an array lies in its file, and what it is."""

    dtype: np.dtype
    shape: tuple[int, ...]
    begins: int  # byte in the file


def write_npz(stream: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays such that `read_npz` maps them; the same arrays give the same bytes."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as out:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")  # of 1980, as numpy's own
            head = stream.tell() + _LOCAL + len(entry.filename.encode()) + 4 + _ZIP64
            padding = -head % ALIGNED
            entry.extra = struct.pack("<HH", _PADDING, padding) + bytes(padding)
            with out.open(entry, "w", force_zip64=True) as member:  # its own head is a multiple of 64 bytes
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def places_of(path: Path) -> dict[str, Place]:
    """What each array of a file is, and where, by what the file says: it must be as large as that.

    Raises:
        Exception: nearly any, where the file is damaged or holds what is no plain array.
    """
    found: dict[str, Place] = {}
    with zipfile.ZipFile(path) as arrays, path.open("rb") as raw:
        for one in arrays.infolist():
            with arrays.open(one) as stream:
                version = np.lib.format.read_magic(stream)
                read = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }
                shape, _, kind = read[version](stream)
                head = stream.tell()
            count = 1
            for length in shape:
                count *= int(length)
            if kind.hasobject or count < 0 or one.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{one.filename} is no plain array")
            if head + count * kind.itemsize != one.file_size or one.file_size != one.compress_size:
                raise ValueError(f"{one.filename} is not as large as it says")
            raw.seek(one.header_offset + _LOCAL - 4)
            name, extra = struct.unpack("<HH", raw.read(4))
            begins = one.header_offset + _LOCAL + name + extra + head
            found[one.filename.removesuffix(".npy")] = Place(kind, tuple(map(int, shape)), begins)
    return found


def read_npz(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The arrays of these names that there are: mapped, and then only to be read, where the file is laid out for it.

    Raises:
        Exception: nearly any, where the file is damaged.
    """
    places = places_of(path)
    wanted = [name for name in names if name in places]
    # Whoever puts another file in the place of a mapped one is refused on Windows.
    if os.name == "posix" and all(place.begins % ALIGNED == 0 for place in places.values()):
        return {name: _mapped(path, places[name]) for name in wanted}
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in wanted}


def _mapped(path: Path, place: Place) -> np.ndarray:
    if 0 in place.shape or place.dtype.itemsize == 0:
        return np.zeros(place.shape, place.dtype)
    return np.memmap(path, place.dtype, "r", place.begins, place.shape).view(np.ndarray)
