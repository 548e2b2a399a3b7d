"""Small pictures of photos for screens, made once."""

from pathlib import Path

from core.features.photos.vectors import thumbnail as _thumbnail
from core.market.market import Market


def thumbnail(market: Market, photo_path: str, size: int = 320) -> Path | None:
    """A WebP of at most `size` pixels a side for a photo of the market, or None where the photo is broken."""
    return _thumbnail(market.path, photo_path, size)
