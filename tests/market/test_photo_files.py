"""Photo files are read with distrust: wrong paths, links that leave the market, cut short, no image, a bomb."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from listing_vibes.market import photo_decoding, photo_files
from listing_vibes.market.photo_decoding import photo_problem
from listing_vibes.market.photo_files import PhotoFolders, PhotoProblem, locate, read

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
def test_a_photo_cut_short_is_damaged(tmp_path, picture, suffix):
    path = tmp_path / f"a.{suffix}"
    picture.save(path)
    assert problem_of(path, tmp_path) is None
    data = path.read_bytes()
    for share in (0.3, 0.97):
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


@pytest.fixture
def market(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_bytes(b"inside")
    (tmp_path / "secret.jpg").write_bytes(b"outside")
    return folder


def test_a_path_inside_is_read_through_links_that_stay_inside(market):
    (market / "photos" / "link.jpg").symlink_to("a.jpg")
    assert read(locate(market, "photos/a.jpg")) == b"inside"
    assert read(locate(market, "photos/link.jpg")) == b"inside"
    assert read(locate(market, "photos/../photos/a.jpg")) == b"inside"


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
        with pytest.raises(PhotoProblem, match="outside of the market"):
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
    for module in (photo_files, photo_decoding):
        monkeypatch.setattr(module, "MAX_BYTES", 5)
    with pytest.raises(PhotoProblem, match="larger than"):
        read(market / "photos" / "a.jpg")
    assert photo_problem("photos/a.jpg", PhotoFolders(market, None)).startswith("is larger than")
