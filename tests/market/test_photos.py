"""Untrusted photos: paths that leave the market, damaged bytes, huge headers, every color mode, and little memory."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.pictures import encoded, png
from listing_vibes.errors import VibesError
from listing_vibes.market import photo_decoding, photo_files
from listing_vibes.market.photo_decoding import (
    MemoryBudget,
    decoding_problem,
    open_photo,
    photo_problem,
    thumbnail,
)
from listing_vibes.market.photo_files import OUTSIDE, PhotoProblem, locate, read

# pytest resets the filters that `photo_decoding` sets at import.
pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
]


def decode(data: bytes, smallest: tuple[int, int] = (288, 288)) -> Image.Image:
    with open_photo(data, smallest) as image:
        return image


def palette_with_transparency() -> Image.Image:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0] + [0, 0, 0] * 255)
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(Image.new("RGB", (8, 8), (10, 200, 30))), (10, 200, 30)), (encoded(Image.new("L", (8, 8), 77)), (77, 77, 77)),
        (encoded(Image.new("1", (8, 8), 1)), (255, 255, 255)), (encoded(Image.new("P", (8, 8), 0)), (0, 0, 0)),
        (encoded(palette_with_transparency(), transparency=0), (255, 255, 255)), (encoded(Image.new("LA", (8, 8), (0, 128))), (127, 127, 127)),
        (encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), (255, 255, 255)), (encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 255))), (255, 0, 0)),
        (encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95), (254, 0, 0)),
        (encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "TIFF"), (0, 0, 0)), (encoded(Image.new("RGB", (8, 8), (0, 0, 255)), "GIF"), (0, 0, 255)),
        (encoded(Image.new("RGB", (8, 8), (0, 0, 255)), "WEBP", lossless=True), (0, 0, 255)),
        (encoded(Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xffgarbage"), (254, 0, 0)),
    ],
)  # fmt: skip
def test_every_color_mode_becomes_rgb(data, expected):
    image = decode(data, (32, 32))
    assert image.mode == "RGB" and np.abs(np.asarray(image)[0, 0].astype(int) - expected).max() <= 3


def test_a_photo_is_rotated_as_its_exif_says():
    image = Image.new("RGB", (64, 32), "red")
    image.paste("blue", (0, 0, 32, 32))  # left half blue
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise
    upright = decode(encoded(image, "JPEG", exif=exif, quality=95), (32, 32))
    top, bottom = upright.getpixel((16, 8)), upright.getpixel((16, 56))
    assert upright.size == (32, 64) and top[2] > 200 > 50 > top[0] and bottom[0] > 200 > 50 > bottom[2]


@pytest.mark.parametrize("mode", ["RGBA", "P", "JPEG"])
def test_a_large_image_is_reduced_as_a_resize_of_its_pixels(mode):
    if mode == "JPEG":
        image = decode(encoded(Image.new("RGB", (4000, 3000), "green"), "JPEG"))
        assert 2 * 288 <= min(image.size) < 3000
        return
    ramp = Image.linear_gradient("L").resize((640, 480))
    image = ramp.convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").rotate(90).resize((640, 480)))
    data = encoded(image, **({"transparency": 255} if mode == "P" else {}))
    small, full = decode(data, (60, 60)), decode(data, (480, 480))
    assert full.size == (640, 480) and small.size == (160, 120)
    assert np.abs(np.asarray(full.reduce(4), int) - np.asarray(small, int)).max() <= 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(Image.effect_noise((64, 64), 50), "JPEG")[:-400], "is damaged"), (encoded(Image.effect_noise((64, 64), 50))[:-400], "is damaged"),
        (png(300, 300), "is damaged"), (b"<html>404 Not Found</html>", "is not an image"),
        (encoded(Image.new("RGB", (8, 8)), "EPS"), "is not an image"),  # Pillow would run another program for it
        (encoded(Image.fromarray(np.full((8, 8), 65535, np.uint16))), "more than 8 bits"),
        (encoded(Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF"), "more than 8 bits"),
        (png(30_000, 30_000), "pixels"), (png(12_000, 10_000), "has 12,000 x 10,000 pixels"), (png(2**31 - 1, 1), "pixels"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_photo_are_refused_with_the_reason(tmp_path, data, reason):
    with pytest.raises(PhotoProblem, match=reason):
        decode(data)
    (tmp_path / "a.png").write_bytes(data)
    if not data.startswith(png(300, 300)[:24]):  # a check does not decode the pixels
        assert reason in photo_problem("a.png", tmp_path)


PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp", "ppm", "tiff"])
def test_a_truncated_photo_is_damaged_and_trailing_bytes_are_no_damage(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    PHOTO.save(path)
    data = path.read_bytes()
    for content in (data, data + b"trailer" * 2000):  # cameras append data
        path.write_bytes(content)
        assert photo_problem(path.name, tmp_path) is None
    for share in (0.3, 0.97):
        path.write_bytes(data[: int(len(data) * share)])
        assert photo_problem(path.name, tmp_path) is not None
    path.write_bytes(b"")
    assert photo_problem(path.name, tmp_path) == "is an empty file"


@pytest.fixture
def market(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_bytes(b"inside")
    (tmp_path / "secret.jpg").write_bytes(b"outside")
    return folder


def test_links_are_followed_inside_the_market_only(market, tmp_path):
    (market / "photos" / "link.jpg").symlink_to("a.jpg")
    (tmp_path / "alias").symlink_to(market)
    for folder in (market, tmp_path / "alias"):
        for path in ("photos/a.jpg", "photos/link.jpg", "photos/../photos/a.jpg"):
            assert read(locate(folder, path)) == b"inside"
    (market / "photos" / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (market / "folder").symlink_to(tmp_path)
    (tmp_path / "market2").mkdir()
    (tmp_path / "market2" / "a.jpg").write_bytes(b"outside")
    for path in ("../secret.jpg", str(tmp_path / "secret.jpg"), "photos/out.jpg", "folder/secret.jpg", "../market2/a.jpg"):  # fmt: skip
        for folder in (market, tmp_path / "alias"):
            with pytest.raises(PhotoProblem, match=re.escape(OUTSIDE)):
                locate(folder, path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("photos/none.jpg", "missing"), ("photos/a.jpg/b.jpg", "cannot be followed"), ("", "empty"), (None, "empty"), (float("nan"), "empty"),
        ("photos", "not a file"), ("photos/\0.jpg", "cannot be followed"), ("photos/" + "x" * 5000, "cannot be followed"), ("loop.jpg", "cannot be followed"),
        ("pipe.jpg", "not a file"),
    ],
)  # fmt: skip
def test_a_path_that_names_no_file_is_refused(market, path, reason):
    (market / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(market / "pipe.jpg")
    with pytest.raises(PhotoProblem, match=reason):
        locate(market, path)


def test_a_huge_file_and_one_that_takes_more_memory_than_the_budget_are_refused(market, monkeypatch):
    path = market / "photos" / "a.webp"
    path.write_bytes(encoded(Image.new("RGB", (300, 300)), "WEBP"))
    with monkeypatch.context() as little:
        little.setattr(photo_decoding, "_budget", MemoryBudget(10**6))
        with pytest.raises(PhotoProblem, match="MB to decode"):
            decode(path.read_bytes())
        assert "MB to decode" in (decoding_problem(path, decode_all=False) or "")
    for module in (photo_files, photo_decoding):
        monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(PhotoProblem, match="larger than"):
        read(path)
    assert photo_problem("photos/a.webp", market).startswith("is larger than")


BOMBS = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from listing_vibes.market.photo_decoding import decoding_problem
from listing_vibes.market.photo_decoding import preview, thumbnail

market = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
with ThreadPoolExecutor(3) as pool:
    made = pool.submit(thumbnail, market, "bomb.png")
    shown = pool.submit(preview, (market / "bomb.png").read_bytes())
    checked = pool.submit(decoding_problem, market / "bomb.png", True)
assert made.result() is not None and shown.result() and checked.result() is None
"""


@pytest.mark.slow
def test_three_bombs_of_half_a_megabyte_fit_into_a_gigabyte_and_a_half(tmp_path):
    Image.new("RGBA", (10_000, 10_000), (10, 200, 30, 128)).save(tmp_path / "bomb.png")
    subprocess.run([sys.executable, "-c", BOMBS, str(tmp_path), str(3 * 2**29)], check=True, timeout=300)


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    (folder / "photos").mkdir(parents=True)
    Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(folder / "photos" / "a.jpg")
    (folder / "listings.csv").touch()
    return folder


def test_a_small_webp_is_created_once_for_each_content(gallery, monkeypatch):
    first = thumbnail(gallery, "photos/a.jpg")
    assert first is not None and first.parent == gallery / ".cache" / "thumbnails"
    with Image.open(first) as image:
        assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (320, 213))
    with monkeypatch.context() as patch:
        patch.setattr(photo_decoding, "open_photo", lambda *a: pytest.fail("decoded again"))
        (gallery / "photos" / "a.jpg").rename(gallery / "photos" / "b.jpg")
        assert thumbnail(gallery, "photos/b.jpg") == first
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    Image.new("RGB", (50, 40), "red").save(gallery / "photos" / "b.jpg", exif=exif)
    second = thumbnail(gallery, "photos/b.jpg")
    assert second is not None and second != first
    with Image.open(second) as image:
        assert image.size == (40, 50)  # upright, and never enlarged


def test_broken_photos_have_none(gallery, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (gallery / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    (gallery / "photos" / "text.jpg").write_text("no image")
    content = (gallery / "photos" / "a.jpg").read_bytes()
    (gallery / "photos" / "cut.jpg").write_bytes(content[: len(content) // 2])
    for name in (
        "photos/none.jpg",
        "../secret.png",
        "photos/link.png",
        "photos/text.jpg",
        "photos/cut.jpg",
        "",
    ):
        assert thumbnail(gallery, name) is None
    assert not (gallery / ".cache").exists()
    (gallery / ".cache").write_text("a file where the folder should be")
    with pytest.raises(VibesError, match=r"\.cache/thumbnails"):
        thumbnail(gallery, "photos/a.jpg")
