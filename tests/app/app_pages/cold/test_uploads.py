"""Uploaded photos are looked at by our own reader before one is drawn."""

import io
import struct
import zlib

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.run.thumbs import preview
from listing_vibes_app.app_pages.cold.uploads import SMALL, _in_row, usable


def png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks."""
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    body = [
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_a_photo_of_sixteen_bits_is_shown():
    grey = Image.fromarray(np.linspace(0, 65535, 48 * 32, dtype=np.uint16).reshape(32, 48))
    stream = io.BytesIO()
    grey.save(stream, "PNG")
    with Image.open(io.BytesIO(preview(stream.getvalue(), 24))) as small:
        assert small.format == "WEBP" and small.size == (24, 16)
        shown = np.asarray(small.convert("L")).astype(int)
    assert shown[0].mean() < 20 < 235 < shown[-1].mean()


@pytest.mark.parametrize(
    "content",
    [
        png(struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0), (b"IDAT", zlib.compress(bytes(1000)))),
        png(
            struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0),
            (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000))),
            (b"IDAT", zlib.compress(b"\0\1\2" * 2)),
        ),
        b"no photo",
        b"",
    ],
    ids=["900 megapixels", "a text that grows", "no photo", "nothing"],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(content):
    with pytest.raises(VibesError, match=r"pixels|damaged|no image"):
        preview(content)


@pytest.mark.parametrize(
    "cover, names", [("1", ["a.png", "b.png"]), ("2", ["b.png", "a.png"]), ("3", ["b.png", "a.png"])]
)
def test_the_cover_is_told_by_its_place_among_the_photos_that_can_be_read(monkeypatch, cover, names):
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 20, 20)).save(stream, "PNG")
    monkeypatch.setattr(st, "query_params", {"cover": cover})
    shown, said = [], []
    monkeypatch.setattr(st, "image", lambda photos, **more: shown.append(more["alt"]))
    monkeypatch.setattr(st, "warning", lambda line, **more: said.append(line))
    photos = [("broken.jpg", b"no photo"), ("a.png", stream.getvalue()), ("b.png", stream.getvalue())]
    assert [name for name, _ in usable(photos)] == names
    assert shown == [["Photo 1 of the listing", "Photo 2 of the listing"]]
    assert len(said) == 1 and "broken" in said[0]


@pytest.mark.parametrize("size, shown", [((90, 2400), (2, 2)), ((300, 400), (1, 1)), ((400, 300), (4, 3))])
def test_no_small_photo_is_higher_than_wide(size, shown):
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 20, 20)).save(stream, "PNG")
    with Image.open(io.BytesIO(_in_row(preview(stream.getvalue(), 2 * SMALL)))) as small:
        assert small.width / small.height == pytest.approx(shown[0] / shown[1], rel=0.02)
        assert np.asarray(small.convert("RGBA"))[:, :, 3].max() == 255
