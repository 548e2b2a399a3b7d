"""Photos are decoded with distrust: wrong bytes, huge headers, every color mode, and little memory."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from listing_vibes.market.photo_decoding import MemoryBudget, decoding_problem, open_photo
from listing_vibes.market.photo_files import PhotoProblem

# pytest resets the filters that `photo_decoding` sets at import.
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


def decode(data: bytes, smallest: tuple[int, int]) -> Image.Image:
    with open_photo(data, smallest) as image:
        return image


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
        (encoded(Image.new("RGB", (8, 8), (0, 0, 255)), "GIF"), (0, 0, 255)),
        (encoded(Image.new("RGB", (8, 8), (0, 0, 255)), "WEBP", lossless=True), (0, 0, 255)),
    ],
)
def test_every_color_mode_becomes_rgb(data, expected):
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
    with pytest.raises(PhotoProblem, match="pixels"):
        decode(png_header(*size), (288, 288))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:-400], "damaged"),
        (encoded(Image.effect_noise((64, 64), 50))[:-400], "damaged"),
        (png_header(300, 300), "damaged"),
        (b"", "no image"),
        (b"<html>404 Not Found</html>", "no image"),
        (encoded(Image.fromarray(np.full((8, 8), 65535, np.uint16))), "more than 8 bits"),
        (encoded(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), "more than 8 bits"),
        (encoded(Image.new("RGB", (8, 8)), "EPS"), "no image"),  # Pillow would run another program for it
    ],
)
def test_bytes_that_are_no_photo(data, reason):
    with pytest.raises(PhotoProblem, match=reason):
        decode(data, (288, 288))


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_large_image_is_reduced_as_a_resize_of_its_pixels_would(mode):
    ramp = Image.linear_gradient("L").resize((640, 480))
    image = ramp.convert(mode)
    if mode == "P":
        image.info["transparency"] = 255
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").rotate(90).resize((640, 480)))
    data = encoded(image, **({"transparency": 255} if mode == "P" else {}))
    small, full = decode(data, (60, 60)), decode(data, (480, 480))
    assert full.size == (640, 480) and small.size == (160, 120)
    assert np.abs(np.asarray(full.reduce(4), int) - np.asarray(small, int)).max() <= 1


def test_a_photo_that_takes_more_memory_than_the_budget_is_refused(monkeypatch, tmp_path):
    data = encoded(Image.new("RGB", (300, 300)), "WEBP")
    monkeypatch.setattr("listing_vibes.market.photo_decoding._budget", MemoryBudget(10**6))
    (tmp_path / "a.webp").write_bytes(data)
    with pytest.raises(PhotoProblem, match="MB to decode"):
        decode(data, (10, 10))
    assert "MB to decode" in (decoding_problem(tmp_path / "a.webp", decode_all=False) or "")


BOMBS = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from listing_vibes.market.thumbnails import thumbnail
from listing_vibes.market.photo_decoding import decoding_problem
from listing_vibes.market.thumbnails import preview

market = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
with ThreadPoolExecutor(3) as pool:
    made = pool.submit(thumbnail, market, "bomb.png")
    shown = pool.submit(preview, (market / "bomb.png").read_bytes())
    checked = pool.submit(decoding_problem, market / "bomb.png", True)
assert made.result() is not None and shown.result() and checked.result() is None
"""


@pytest.mark.slow
def test_three_bombs_of_half_a_megabyte_at_once_fit_into_a_gigabyte_and_a_half(tmp_path):
    Image.new("RGBA", (10_000, 10_000), (10, 200, 30, 128)).save(tmp_path / "bomb.png")
    limit = 3 * 2**29
    subprocess.run([sys.executable, "-c", BOMBS, str(tmp_path), str(limit)], check=True, timeout=300)
