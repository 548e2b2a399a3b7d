"""What is wrong with a photo file, told without decoding a sound one."""

import os
import warnings
from functools import cache
from pathlib import Path

from PIL import Image

#: More pixels than this are a mistake or a decompression bomb.
MAX_PIXELS = 100_000_000
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
MISSING = "is missing"
_ENDINGS = {"JPEG": (b"\xff\xd9", 4096), "MPO": (b"\xff\xd9", 4096), "PNG": (b"IEND", 64)}
_NO_ENDING = ("GIF", "BMP", "TIFF", "PPM")


def photo_problem(path: Path, market_path: Path) -> str | None:
    """What is wrong with the photo at `path` of a market (missing, no image, too large, cut short, ...), or None.

    The header is read; the pixels are decoded only where the file does not end as its format must.
    """
    try:
        if not path.is_file():
            return MISSING
        if _has_link(path, market_path) and not path.resolve().is_relative_to(market_path.resolve()):
            return "is a link that leaves the market folder"
        if path.stat().st_size == 0:
            return "is an empty file"
    except Exception as error:  # of a name that no system takes
        return _damage(error)
    return _unreadable(path, whole=False)


def _has_link(path: Path, market_path: Path) -> bool:
    """Whether a link or `..` lies between a market's folder and a photo: without one it is in the folder, and neither path
    need be followed from the root."""
    folder, whole = os.path.join(market_path, ""), os.fspath(path)
    if not whole.startswith(folder) or os.name == "nt":  # Windows has links of other kinds, too
        return True
    for name in whole.removeprefix(folder).split(os.sep):
        folder = os.path.join(folder, name)
        if name == os.pardir or os.path.islink(folder):
            return True
    return False


def undecodable(path: Path) -> str | None:
    """Why no picture can be made of a file that was just received, or None; all of its pixels are decoded."""
    return _unreadable(path, whole=True)


def _unreadable(path: Path, whole: bool) -> str | None:
    """What keeps Pillow from a file; its pixels are decoded where `whole`, or where it does not end as its format must."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=readable()) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    return f"has {width:,} x {height:,} pixels, more than {MAX_PIXELS:,}"
                if whole or not _ends_well(path, image.format or ""):
                    image.load()
    except Image.DecompressionBombError:
        return f"has more than {MAX_PIXELS:,} pixels"
    except Image.UnidentifiedImageError:
        return "is no image"
    except Exception as error:  # Pillow's decoders raise nearly anything
        return _damage(error)
    return None


def _damage(error: Exception) -> str:
    return f"is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})"


@cache
def readable() -> tuple[str, ...]:
    """`FORMATS` as far as this Pillow has them; without those that run other programs (EPS)."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _ends_well(path: Path, kind: str) -> bool:
    if kind not in _ENDINGS:  # only its pixels tell; WebP and AVIF do not open when they are cut
        return kind not in _NO_ENDING
    mark, tail = _ENDINGS[kind]
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - tail))
        return mark in stream.read()
