"""Thumbnails are made once, named by content, and absent for what is broken."""

from pathlib import Path

import pytest
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.features.photos import thumbnails
from listing_vibes.features.photos.thumbnails import thumbnail


@pytest.fixture
def market(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    (folder / "photos").mkdir(parents=True)
    Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(folder / "photos" / "a.jpg")
    return folder


def test_a_thumbnail_is_a_small_webp_below_the_cache(market):
    path = thumbnail(market, "photos/a.jpg")
    assert path is not None and path.parent == market / ".cache" / "thumbnails"
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (320, 213))
    assert thumbnail(market, "photos/a.jpg", size=64) != path


def test_it_is_made_once(market, monkeypatch):
    first = thumbnail(market, "photos/a.jpg")
    monkeypatch.setattr(thumbnails, "open_photo", lambda *a: pytest.fail("decoded again"))
    assert thumbnail(market, "photos/a.jpg") == first
    (market / "photos" / "a.jpg").rename(market / "photos" / "b.jpg")
    assert thumbnail(market, "photos/b.jpg") == first  # the name comes from the content


def test_a_changed_photo_gets_a_new_one(market):
    first = thumbnail(market, "photos/a.jpg")
    Image.new("RGB", (50, 50), "red").save(market / "photos" / "a.jpg")
    second = thumbnail(market, "photos/a.jpg")
    assert second is not None and second != first
    with Image.open(second) as image:
        assert image.size == (50, 50)  # never enlarged


def test_it_stands_upright(market):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200), "red").save(market / "photos" / "turned.jpg", exif=exif)
    with Image.open(thumbnail(market, "photos/turned.jpg") or "") as image:
        assert image.size == (160, 320)


def test_broken_photos_have_none(market, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (market / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    (market / "photos" / "text.jpg").write_text("no image")
    whole = (market / "photos" / "a.jpg").read_bytes()
    (market / "photos" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for path in (
        "photos/none.jpg",
        "../secret.png",
        "photos/link.png",
        "photos/text.jpg",
        "photos/cut.jpg",
        "",
    ):
        assert thumbnail(market, path) is None
    assert not (market / ".cache").exists()


def test_a_market_that_cannot_be_written_is_named(market):
    (market / ".cache").write_text("a file where the folder should be")
    with pytest.raises(VibesError, match=r"\.cache/thumbnails"):
        thumbnail(market, "photos/a.jpg")
