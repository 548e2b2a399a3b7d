"""Photo files are read with distrust: wrong paths, links that leave the market, files of any size."""

import os
from pathlib import Path

import pytest

from listing_vibes.features.photos import files as photo_files
from listing_vibes.features.photos.files import PhotoProblem, locate, read


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
    monkeypatch.setattr(photo_files, "MAX_BYTES", 5)
    with pytest.raises(PhotoProblem, match="larger than"):
        read(market / "photos" / "a.jpg")
