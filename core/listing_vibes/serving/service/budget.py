"""What one new listing may cost: characters of its attributes, and pixels of its photos, told by their headers."""

from __future__ import annotations

import binascii
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.market.photo_decoding import readable

MOST_CHARACTERS = 100_000
MOST_PIXELS = 64_000_000  # thirty photos of 1600 x 1200 have 58 million
MOST_WHOLE = 2**63


def checked_cells(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a listing, where each is a text, a number, a flag or a list of these.

    Raises:
        VibesError: another kind of value, a number beyond what tables hold, or too much text.
    """
    left = MOST_CHARACTERS
    for name, value in cells.items():
        left -= len(name)
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int | float | None):
                raise VibesError(
                    f"attributes.{name[:100]} is a {type(one).__name__}; give a text, a number, yes or no, or a list of these."
                )
            if isinstance(one, str):
                left -= len(one)
            elif one is not None and (not math.isfinite(_float(one)) or abs(one) >= MOST_WHOLE):
                raise VibesError(
                    f"attributes.{name[:100]} is a number of too many digits; give one below 2^63."
                )
    if left < 0:
        raise VibesError(f"The attributes have more than {MOST_CHARACTERS} characters; send less text.")
    return dict(cells)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def read_photos(texts: Sequence[str]) -> list[bytes]:
    """Image files from base64.

    Raises:
        VibesError: one is no base64, or all have more than `MOST_PIXELS` pixels together.
    """
    photos, pixels = [], 0
    for number, text in enumerate(texts):
        try:
            photos.append(binascii.a2b_base64(text, strict_mode=True))
        except (binascii.Error, ValueError) as error:
            raise VibesError(f"photos.{number} is no base64 ({error}); encode the file's bytes.") from error
        pixels += _pixels(photos[-1])
        if pixels > MOST_PIXELS:
            raise VibesError(
                f"The photos have more than {MOST_PIXELS // 10**6} megapixels together; send smaller ones."
            )
    return photos


def _pixels(photo: bytes) -> int:
    """Of an image file by its header; 0 of what is none, which whoever decodes it will tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(photo), formats=readable()) as image:
                return image.width * image.height
    except Image.DecompressionBombError:
        return MOST_PIXELS + 1
    except Exception:  # Pillow raises nearly anything on damaged bytes
        return 0
