"""Thumbnails are created once, named by content, and missing for what is broken."""

from pathlib import Path

import pytest
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.market import thumbnails
from listing_vibes.market.thumbnails import thumbnail


@pytest.fixture
def market(tmp_path: Path) -> Path:
    folder = tmp_path / "market"
    (folder / "photos").mkdir(parents=True)
    Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(folder / "photos" / "a.jpg")
    return folder


def test_a_small_webp_is_created_once_for_each_content(market, monkeypatch):
    first = thumbnail(market, "photos/a.jpg")
    assert first is not None and first.parent == market / ".cache" / "thumbnails"
    with Image.open(first) as image:
        assert (image.format, image.mode, image.size) == ("WEBP", "RGB", (320, 213))
    with monkeypatch.context() as patch:
        patch.setattr(thumbnails, "open_photo", lambda *a: pytest.fail("decoded again"))
        (market / "photos" / "a.jpg").rename(market / "photos" / "b.jpg")
        assert thumbnail(market, "photos/b.jpg") == first
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    Image.new("RGB", (50, 40), "red").save(market / "photos" / "b.jpg", exif=exif)
    second = thumbnail(market, "photos/b.jpg")
    assert second is not None and second != first
    with Image.open(second) as image:
        assert image.size == (40, 50)  # upright, and never enlarged


def test_broken_photos_have_none(market, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (market / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    (market / "photos" / "text.jpg").write_text("no image")
    content = (market / "photos" / "a.jpg").read_bytes()
    (market / "photos" / "cut.jpg").write_bytes(content[: len(content) // 2])
    for name in (
        "photos/none.jpg",
        "../secret.png",
        "photos/link.png",
        "photos/text.jpg",
        "photos/cut.jpg",
        "",
    ):
        assert thumbnail(market, name) is None
    assert not (market / ".cache").exists()
    (market / ".cache").write_text("a file where the folder should be")
    with pytest.raises(VibesError, match=r"\.cache/thumbnails"):
        thumbnail(market, "photos/a.jpg")
