"""Photo files that are missing, cut short, no image, or a bomb."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from listing_vibes.market.photo_check import OUTSIDE, photo_problem
from listing_vibes.market.photo_folders import PhotoFolders

# pytest resets the filters that `photo_decoding` sets at import.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def problem_of(file: Path, market: Path) -> str | None:
    return photo_problem(str(file), PhotoFolders(market, None))


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))


def bomb(width: int, height: int) -> bytes:
    """The header of a huge PNG: what a decompression bomb shows before its pixels are decoded."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp", "ppm", "tiff"])
def test_a_sound_photo_has_no_problem(tmp_path, picture, suffix):
    picture.save(tmp_path / f"a.{suffix}")
    assert problem_of(tmp_path / f"a.{suffix}", tmp_path) is None


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp", "ppm", "tiff"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_photo_cut_short_is_damaged(tmp_path, picture, suffix, share):
    path = tmp_path / f"a.{suffix}"
    picture.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert problem_of(path, tmp_path).startswith("is damaged (")


def test_what_a_camera_appends_is_no_damage(tmp_path, picture):
    path = tmp_path / "a.jpg"
    picture.save(path)
    path.write_bytes(path.read_bytes() + b"trailer" * 2000)
    assert problem_of(path, tmp_path) is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is an empty file"),
        (b"<html>not found</html>", "is no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image"),
        (bomb(30_000, 30_000), "has more than 100,000,000 pixels"),
        (bomb(12_000, 10_000), "has 12,000 x 10,000 pixels, more than 100,000,000"),
    ],
    ids=["empty", "html", "postscript", "bomb", "large"],
)
def test_what_is_no_photo_is_told(tmp_path, content, problem):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert problem_of(path, tmp_path) == problem


def test_a_missing_photo_a_folder_and_a_link_out_of_the_market(tmp_path, picture):
    market = tmp_path / "market"
    market.mkdir()
    (market / "folder.jpg").mkdir()
    picture.save(tmp_path / "outside.jpg")
    (market / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    assert problem_of(market / "gone.jpg", market) == "is missing"
    assert problem_of(market / "folder.jpg", market) == "is missing"
    assert problem_of(market / "link.jpg", market) == OUTSIDE


def test_a_folder_that_is_a_link_is_followed(tmp_path, picture):
    market, outside = tmp_path / "market", tmp_path / "outside"
    for folder in (market / "rooms", outside):
        folder.mkdir(parents=True)
        picture.save(folder / "a.jpg")
    (market / "out").symlink_to(outside)
    (market / "in").symlink_to(market / "rooms")
    (tmp_path / "here").symlink_to(market)
    left = OUTSIDE
    assert problem_of(market / "out" / "a.jpg", market) == left
    assert problem_of(market / ".." / "outside" / "a.jpg", market) == left
    assert problem_of(outside / "a.jpg", market) == left
    assert problem_of(market / "in" / "a.jpg", market) is None
    assert problem_of(tmp_path / "here" / "rooms" / "a.jpg", tmp_path / "here") is None
    assert problem_of(tmp_path / "here" / "out" / "a.jpg", tmp_path / "here") == left
