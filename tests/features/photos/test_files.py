"""Photo files are read with distrust: wrong paths, wrong bytes, huge headers, every colour mode."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from listing_vibes.features.photos import files as photo_files
from listing_vibes.features.photos.files import PhotoProblem, decode, locate, read

# pytest resets the filters that `photo_files` sets at import.
pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
]


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says its size and then holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def pixel(data: bytes) -> np.ndarray:
    image = decode(data, (32, 32))
    assert image.mode == "RGB"
    return np.asarray(image)[0, 0].astype(int)


def palette_with_transparency() -> Image.Image:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0] + [0, 0, 0] * 255)
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(Image.new("RGB", (8, 8), (10, 200, 30))), (10, 200, 30)),
        (encoded(Image.new("L", (8, 8), 77)), (77, 77, 77)),
        (encoded(Image.new("1", (8, 8), 1)), (255, 255, 255)),
        (encoded(Image.new("P", (8, 8), 0)), (0, 0, 0)),
        (encoded(palette_with_transparency(), transparency=0), (255, 255, 255)),
        (encoded(Image.new("LA", (8, 8), (0, 128))), (127, 127, 127)),
        (encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), (255, 255, 255)),
        (encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 255))), (255, 0, 0)),
        (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95), (254, 0, 0)),
        (encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "TIFF"), (0, 0, 0)),
        (encoded(Image.fromarray(np.full((8, 8), 32768, np.uint16))), (127, 127, 127)),
        (encoded(Image.fromarray(np.full((8, 8), 200, np.uint16))), (0, 0, 0)),
        (encoded(Image.fromarray(np.full((8, 8), 65535, np.int32)), "TIFF"), (255, 255, 255)),
        (encoded(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), (127, 127, 127)),
        (encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"), (0, 0, 0)),
        (encoded(Image.new("RGB", (8, 8), (0, 0, 255)), "GIF"), (0, 0, 255)),
        (encoded(Image.new("RGB", (8, 8), (0, 0, 255)), "WEBP", lossless=True), (0, 0, 255)),
    ],
)
def test_every_colour_mode_becomes_rgb(data, expected):
    assert np.abs(pixel(data) - expected).max() <= 3


def test_exif_rotation_is_applied():
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (0, 0, 32, 32))  # left half blue
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise
    upright = decode(encoded(image, "JPEG", exif=exif, quality=95), (32, 32))
    assert upright.size == (32, 64)
    top, bottom = upright.getpixel((16, 8)), upright.getpixel((16, 56))
    assert top[2] > 200 > 50 > top[0] and bottom[0] > 200 > 50 > bottom[2]


def test_damaged_exif_does_not_cost_the_photo():
    data = encoded(
        Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xffgarbage"
    )
    assert pixel(data)[0] > 240


def test_a_large_jpeg_is_decoded_smaller():
    image = decode(encoded(Image.new("RGB", (4000, 3000), "green"), "JPEG"), (288, 288))
    assert 2 * 288 <= min(image.size) < 3000


@pytest.mark.parametrize("size", [(30_000, 30_000), (12_000, 9_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_from_its_header(size):
    with pytest.raises(PhotoProblem, match="too large"):
        decode(png_header(*size), (288, 288))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:-400], "truncated"),
        (encoded(Image.effect_noise((64, 64), 50))[:-400], "truncated"),
        (png_header(300, 300), "truncated"),
        (b"", "not an image"),
        (b"<html>404 Not Found</html>", "not an image"),
        (encoded(Image.new("RGB", (8, 8)), "EPS"), "not an image"),  # Pillow would run another program for it
    ],
)
def test_bytes_that_are_no_photo(data, reason):
    with pytest.raises(PhotoProblem, match=reason):
        decode(data, (288, 288))


SAMPLES = [
    encoded(Image.effect_noise((24, 16), 60).convert("RGB"), kind)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP")
]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    sample=st.sampled_from(SAMPLES),
    wounds=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    kept=st.floats(0.2, 1),
)
def test_damaged_bytes_give_an_image_or_a_reason(sample, wounds, kept):
    data = bytearray(sample)
    for place, value in wounds:
        data[place % len(data)] = value
    try:
        assert decode(bytes(data[: int(len(data) * kept)]), (16, 16)).mode == "RGB"
    except PhotoProblem as problem:
        assert str(problem)


@pytest.fixture
def market(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_bytes(b"inside")
    (tmp_path / "secret.jpg").write_bytes(b"outside")
    return folder


def test_a_path_inside_is_found_through_links_that_stay_inside(market):
    (market / "photos" / "link.jpg").symlink_to("a.jpg")
    assert read(locate(market, "photos/a.jpg")) == b"inside"
    assert read(locate(market, "photos/link.jpg")) == b"inside"
    assert read(locate(market, "photos/../photos/a.jpg")) == b"inside"


def test_the_market_itself_may_be_a_link(market, tmp_path):
    (tmp_path / "alias").symlink_to(market)
    assert read(locate(tmp_path / "alias", "photos/a.jpg")) == b"inside"


def test_paths_that_leave_the_market(market, tmp_path):
    (market / "photos" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (market / "folder").symlink_to(tmp_path)
    sibling = tmp_path / "market2"
    sibling.mkdir()
    (sibling / "a.jpg").write_bytes(b"outside")
    leaving = (
        "../secret.jpg",
        str(tmp_path / "secret.jpg"),
        "photos/out.jpg",
        "folder/secret.jpg",
        "../market2/a.jpg",
    )
    for path in leaving:
        with pytest.raises(PhotoProblem, match="leaves the market"):
            locate(market, path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("photos/none.jpg", "missing"),
        ("photos/a.jpg/b.jpg", "cannot be followed"),
        ("", "empty"),
        (None, "empty"),
        (float("nan"), "empty"),
        ("photos", "not a file"),
        ("photos/\0.jpg", "cannot be followed"),
        ("photos/" + "x" * 5000, "cannot be followed"),
    ],
)
def test_paths_that_name_no_file(market, path, reason):
    with pytest.raises(PhotoProblem, match=reason):
        locate(market, path)


def test_a_loop_of_links_and_a_pipe_do_not_hang(market):
    (market / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(market / "pipe.jpg")
    with pytest.raises(PhotoProblem, match="cannot be followed"):
        locate(market, "loop.jpg")
    with pytest.raises(PhotoProblem, match="not a file"):
        locate(market, "pipe.jpg")


def test_a_huge_file_is_not_read_whole(market, monkeypatch):
    monkeypatch.setattr(photo_files, "MAX_BYTES", 5)
    with pytest.raises(PhotoProblem, match="larger than"):
        read(market / "photos" / "a.jpg")
