"""Small pictures of photos for screens: of a market's, made once, and of one that somebody just handed in."""

import io
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.thumbnails import thumbnail as _thumbnail
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import PhotoProblem, open_photo
from listing_vibes.market.photo_files import locate, read


def thumbnail(market: Market, photo_path: str, size: int = 320) -> Path | None:
    """A WebP of at most `size` pixels a side for a photo of the market, or None where the photo is broken."""
    return _thumbnail(market.path, photo_path, size)


def preview(content: bytes, size: int = 320) -> bytes:
    """The bytes of a small WebP of an image file: what a screen shows of a file that nobody has looked at yet.

    Raises:
        VibesError: why it cannot be read, in a few words.
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
    """The bytes of a WebP as an address that a page holds itself."""
    return f"data:image/webp;base64,{b64encode(webp).decode()}"


def originals(market: Market, paths: Sequence[str]) -> list[tuple[str, bytes]]:
    """Name and content of the photo files of a market, but of those that cannot be read."""
    results = []
    for path in paths:
        with suppress(PhotoProblem):
            results.append((Path(path).name, read(locate(market.path, path))))
    return results
