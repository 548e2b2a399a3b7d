"""Bytes of photos: of any kind and mode, and PNGs that claim more than they hold."""

import io
import struct
import zlib

from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The file of an image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of colors that states its size and has these chunks, by default too few pixels, as a decompression bomb does."""
    head = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    parts = [head, *(chunks or [(b"IDAT", zlib.compress(bytes(1000)))]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def text_bomb(size: int) -> bytes:
    """A PNG of four pixels whose comment becomes so many bytes."""
    comment = b"Comment\0\0" + zlib.compress(bytes(size), 9)
    return png(2, 2, (b"zTXt", comment), (b"IDAT", zlib.compress((b"\0" + b"\1\2\3" * 2) * 2)))
