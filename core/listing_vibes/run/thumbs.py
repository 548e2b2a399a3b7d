"""Thumbnails of photos: cached ones of a market's photos, and previews of uploaded files."""

import io
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.thumbnails import thumbnail as _thumbnail
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import open_photo
from listing_vibes.market.photo_files import PhotoProblem, locate, read


def thumbnail(market: Market, photo_path: str, size: int = 320) -> Path | None:
    """Return the file of a WebP thumbnail, at most `size` pixels a side, of a market's photo; None if the photo is broken."""
    return _thumbnail(market.path, photo_path, size)


def preview(content: bytes, size: int = 320) -> bytes:
    """Return the bytes of a WebP thumbnail of an untrusted image file.

    Raises:
        VibesError: the file cannot be decoded; the message is the reason.
    """
    try:
        with open_photo(content, (size, size)) as image:
            image.thumbnail((size, size), Image.Resampling.LANCZOS)
    except PhotoProblem as problem:
        raise VibesError(str(problem)) from problem
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=80)
    return stream.getvalue()


def data_address(webp: bytes) -> str:
    """Return the bytes of a WebP as a data URL."""
    return f"data:image/webp;base64,{b64encode(webp).decode()}"


def originals(market: Market, paths: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the names and contents of the readable photo files of a market."""
    results = []
    for path in paths:
        with suppress(PhotoProblem):
            results.append((Path(path).name, read(locate(market.path, path))))
    return results
