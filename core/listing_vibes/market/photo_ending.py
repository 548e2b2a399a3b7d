"""Find the end of an image in its file: a shorter file is truncated, and what follows is not part of the photo."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

#: A marker in the coded pixels of a JPEG that is neither a stuffed byte nor a restart marker.
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]", re.DOTALL)
_AVIF_BOXES = (b"ftyp", b"meta", b"moov", b"mdat", b"free")


def image_end(data: bytes) -> int | None:
    """Return the length in bytes of the image at the start of a file; None where its format does not define it."""
    for magic, end in _ENDS.items():
        if re.match(magic, data, re.DOTALL):
            try:
                length = end(data)
            except (struct.error, IndexError):
                return None
            return length if length is not None and length <= len(data) else None
    return None


def _jpeg(data: bytes) -> int | None:
    offset = 2
    while data[offset] == 0xFF:
        marker = data[offset + 1]
        if marker == 0xD9:
            return offset + 2
        if marker == 0xFF:  # padding
            offset += 1
            continue
        offset += 2 + struct.unpack_from(">H", data, offset + 2)[0]
        if marker == 0xDA:  # coded pixels follow
            marked = _MARKER.search(data, offset)
            if marked is None:
                return None
            offset = marked.end() - 2
    return None


def _png(data: bytes) -> int | None:
    offset = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, offset)
        offset += 12 + length
        if kind == b"IEND":
            return offset


def _webp(data: bytes) -> int | None:
    length = struct.unpack_from("<I", data, 4)[0]
    return 8 + length + length % 2 if length % 2 and 8 + length < len(data) else 8 + length


def _avif(data: bytes) -> int | None:
    offset = 0
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind not in _AVIF_BOXES:
            break
        if length == 1:
            length = struct.unpack_from(">Q", data, offset + 8)[0]
        if length < 8:
            return None
        offset += length
    return offset


_ENDS: dict[bytes, Callable[[bytes], int | None]] = {
    rb"\xff\xd8": _jpeg, rb"\x89PNG\r\n\x1a\n": _png, rb"RIFF....WEBP": _webp, rb"....ftypavi[fs]": _avif,
}  # fmt: skip
