"""Small WebP copies of photos: cached ones of a market's photos, and previews of uploaded files."""

import io
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.market import photo_files
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.durable import atomic_path, inside
from listing_vibes.market.photo_decoding import open_photo
from listing_vibes.market.photo_files import PhotoProblem


def thumbnail(market_path: Path, photo_path: str, size: int = 320) -> Path | None:
    """Return the thumbnail of a photo, created on first use; None where the photo is missing or broken.

    It is upright, RGB, within `size` x `size`, never enlarged, and named by the photo's content.
    """
    market_path = Path(market_path)
    try:
        file = photo_files.locate(market_path, photo_path)
        cache = writable_cache(market_path)
        folder = inside(cache, cache / "thumbnails")
        target = folder / f"{photo_files.digest(file)[:32]}-{size}.webp"
        if target.is_file() and not target.is_symlink():
            return target
        with open_photo(photo_files.read(file), (size, size)) as image:
            image.thumbnail((size, size), Image.Resampling.LANCZOS)
    except (PhotoProblem, OSError):
        return None
    with atomic_path(target, durable=False) as temporary:
        image.save(temporary, format="WEBP", quality=80)
    return target


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


def originals(market_path: Path, paths: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the names and contents of the readable photo files of a market."""
    results = []
    for path in paths:
        with suppress(PhotoProblem):
            results.append((Path(path).name, photo_files.read(photo_files.locate(market_path, path))))
    return results
