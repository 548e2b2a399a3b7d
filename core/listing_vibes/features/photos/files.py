"""Reading photo files that somebody else put into the market: nothing here trusts them."""

import io
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from listing_vibes.market.photo_check import MAX_PIXELS, readable
from listing_vibes.market.photo_urls import FETCHED

MAX_BYTES = 256 * 2**20
_TOO_LARGE = f"too large (at most {MAX_PIXELS // 10**6} megapixels are read)"

# Size is judged by `MAX_PIXELS` and damage is told by `PhotoProblem`; Pillow's warnings would only repeat it.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")


class PhotoProblem(Exception):
    """Why a photo cannot be used, in a few words."""


def locate(market_path: Path, photo_path: object) -> Path:
    """The real file of a photo path.

    Raises:
        PhotoProblem: the path is empty, leaves the market (symbolic links are followed), or names no file.
    """
    if not isinstance(photo_path, str) or not photo_path:
        raise PhotoProblem("the path is empty")
    root = Path(market_path).resolve()
    try:
        file = (root / photo_path).resolve()
        if not file.is_relative_to(root):
            raise PhotoProblem("the path leaves the market folder")
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        away = " (`vibes download MARKET` fetches it)" if photo_path.startswith(FETCHED) else ""
        raise PhotoProblem(f"the file is missing{away}") from error
    except (OSError, RuntimeError, ValueError) as error:  # unreadable, a loop of links, a NUL in the name
        raise PhotoProblem(f"the path cannot be followed ({error})") from error
    if not stat.S_ISREG(mode):  # a folder, or a pipe that would block for ever
        raise PhotoProblem("the path is not a file")
    return file


def stamp(file: Path) -> str:
    """Size and modification time: what tells, without reading it, that a file is unchanged."""
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def read(file: Path) -> bytes:
    """The bytes of a photo file.

    Raises:
        PhotoProblem: the file is too large or cannot be read.
    """
    try:
        with open(file, "rb") as source:
            data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoProblem(f"the file cannot be read ({error.strerror or error})") from error
    if len(data) > MAX_BYTES:
        raise PhotoProblem(f"the file is larger than {MAX_BYTES // 2**20} MB")
    return data


def decode(data: bytes, smallest: tuple[int, int]) -> Image.Image:
    """Decode a photo to an upright RGB image; a large JPEG is decoded at a reduced scale.

    Args:
        data: the file's bytes, of one of `FORMATS`; the first frame of an animation is taken.
        smallest: (height, width) that a reduced JPEG must still have at least twice.

    Raises:
        PhotoProblem: not an image, truncated, damaged, or more than `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=readable()) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:  # from the header, before a single pixel is decoded
                raise PhotoProblem(f"the image is {width} x {height}, {_TOO_LARGE}")
            # Twice the target leaves the final resize enough to average over, at a fraction of the decoding.
            image.draft(None, (2 * max(smallest), 2 * max(smallest)))
            return _to_rgb(_upright(image))
    except PhotoProblem:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoProblem(f"the image is {_TOO_LARGE}") from error
    except Image.UnidentifiedImageError as error:
        raise PhotoProblem("the file is not an image of a known kind") from error
    except (
        Exception
    ) as error:  # Pillow raises nearly anything on damaged bytes; it costs one photo, not the job
        reason = str(error) or type(error).__name__
        raise PhotoProblem(f"the image is truncated or damaged ({reason})") from error


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged EXIF block says nothing about the pixels: keep the photo as it lies
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_bytes(np.asarray(image), image.mode.startswith("I;16"))).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _to_bytes(grey: np.ndarray, sixteen: bool) -> np.ndarray:
    """Grey values of 16 or 32 bits, or floating point, as (height, width) uint8; `sixteen`: surely of 16, however dark."""
    values: np.ndarray = np.nan_to_num(grey.astype(np.float32))
    if np.issubdtype(grey.dtype, np.integer):
        values = values / 257 if sixteen or values.max() > 255 else values  # 65,535 / 257 = 255
    elif values.max() <= 1:
        values = values * 255
    return np.clip(values, 0, 255).astype(np.uint8)
