"""Decode untrusted photo files within a memory budget that all threads of a process share; small WebP copies of photos.

A PNG of half a megabyte may hold 100 megapixels, 400 MB once decoded. So a photo is decoded only when the budget has room for
it, at a reduced scale where its format supports that (JPEG), and is shrunk before its pixels are copied.
"""

import io
import re
import struct
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Condition, Lock

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from listing_vibes.errors import VibesError
from listing_vibes.market import photo_files
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.durable import atomic_path, inside
from listing_vibes.market.photo_files import MAX_BYTES, TOO_LARGE, PhotoProblem, locate

#: A larger image is a mistake or a decompression bomb.
MAX_PIXELS = 100_000_000
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
#: The memory of all photos that a process decodes at a time, in bytes.
BUDGET = 768 * 2**20
#: Peak memory of decoding, in bytes per pixel, measured with Pillow 12; other formats need Pillow's buffer only.
#: A TIFF may be rotated; a progressive JPEG keeps its coefficients at full scale.
BYTES_PER_PIXEL = {"WEBP": 16.4, "AVIF": 12.5, "TIFF": 8.5}
BUFFER, PROGRESSIVE = 4.2, 8.0
STRIP = 2**20  # pixels that are converted at a time

# `MAX_PIXELS` limits the size, and `PhotoProblem` reports damage, so that Pillow's warnings are redundant.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")
#: A marker in the coded pixels of a JPEG that is neither a stuffed byte nor a restart marker, and fill bytes before a marker.
_MARKER, _FILL = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL), re.compile(rb"\xff*")
#: The most segments of a JPEG or chunks of a PNG; a photo of 256 MB in chunks of 8 KB has 32,768.
MOST_PARTS = 2**17


class MemoryBudget:
    """A memory budget that threads share; first come, first served, so that small photos do not starve a large one."""

    def __init__(self, size: int) -> None:
        self.size = self._free = size
        self._turn, self._changed = Lock(), Condition()

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Wait until `amount` bytes (at most `size`) are free, and reserve them."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._free >= amount)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


_budget = MemoryBudget(BUDGET)


@contextmanager
def open_photo(source: bytes | Path, smallest: tuple[int, int]) -> Iterator[Image.Image]:
    """Decode a photo to an upright RGB image, transparent parts white; of an animation the first frame.

    The budget reserves its memory until the context ends, so use the image inside it.

    Args:
        source: a file of one of `FORMATS`, or its bytes.
        smallest: minimum (height, width); an image is reduced only while it has at least twice that.

    Raises:
        PhotoProblem: not an image, truncated, damaged, more than `MAX_PIXELS`, or more memory than the budget has.
    """
    with ExitStack() as held:
        try:
            with _open(source) as image:
                held.enter_context(_load(image, 2 * max(smallest)))
                upright = _turn(_shrink(image, _factor(image, 2 * max(smallest))), image)
        # Pillow raises many types of errors on damaged bytes; one photo must not stop the job.
        except Exception as error:
            raise PhotoProblem(_reason(error)) from error
        yield upright


def decoding_problem(path: Path, decode_all: bool) -> str | None:
    """Return why Pillow cannot decode a file ("is not an image"), or None; all pixels are decoded where `decode_all`, or where the end of
    the image cannot be located otherwise.
    """
    try:
        with _open(path) as image:
            if decode_all or image_end(path.read_bytes()) is None:
                with _load(image, 1):
                    pass
    except Exception as error:  # as above
        return _reason(error)
    return None


def count_pixels(photo: bytes) -> int:
    """Return the number of pixels by the header of an image file; 0 for one that is not decoded."""
    try:
        with _open(photo) as image:
            return image.width * image.height
    except Exception:  # as above
        return 0


@cache
def _readable() -> tuple[str, ...]:
    """Return those of `FORMATS` that this Pillow supports, without those that run other programs (EPS)."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _open(source: bytes | Path) -> Image.Image:
    """Return the image with its header read and no pixel decoded."""
    image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_readable())
    (width, height), needed, problem = image.size, _decoding_bytes(image), ""
    if width * height > MAX_PIXELS:
        problem = f"has {width:,} x {height:,} pixels, more than {MAX_PIXELS:,}"
    elif needed > _budget.size:
        problem = f"has {width:,} x {height:,} pixels as {image.format}, which take {needed / 2**20:,.0f} MB to decode, more than "
        problem += f"{_budget.size / 2**20:,.0f}"
    elif image.mode[0] in "FI":
        problem = "has more than 8 bits for each color; save it with 8"
    if problem:
        image.close()
        raise PhotoProblem(problem)
    return image


@contextmanager
def _load(image: Image.Image, side: int) -> Iterator[None]:
    """Decode the pixels, a JPEG at a scale that keeps `side` pixels per side, and reserve their memory."""
    progressive = _decoding_bytes(image) if _is_progressive(image) else 0
    image.draft(None, (side, side))
    result = BUFFER * image.width * image.height / _factor(image, side) ** 2
    with _budget.take(min(_budget.size, int(max(progressive, _decoding_bytes(image)) + result))):
        image.load()
        yield


def _decoding_bytes(image: Image.Image) -> int:
    pixels = image.width * image.height
    return int(
        pixels * (PROGRESSIVE if _is_progressive(image) else BYTES_PER_PIXEL.get(image.format or "", BUFFER))
    )


def _is_progressive(image: Image.Image) -> bool:
    return bool(image.info.get("progressive") or image.info.get("progression"))


def _factor(image: Image.Image, side: int) -> int:
    """Return the factor by which an image can be reduced so that it keeps `side` pixels per side."""
    return max(1, min(image.size) // side)


def _shrink(image: Image.Image, factor: int) -> Image.Image:
    """Return the image as RGB, each pixel the mean of `factor` x `factor`; in strips, so that no second full-size image is needed."""
    small = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, STRIP // (factor * image.width))
    for top in range(0, image.height, rows):
        strip = _on_white(image.crop((0, top, image.width, min(top + rows, image.height))))
        small.paste(strip.reduce(factor), (0, top // factor))
    return small


def _turn(small: Image.Image, image: Image.Image) -> Image.Image:
    """Return `small`, rotated as the EXIF data of `image` say."""
    try:
        small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
        return ImageOps.exif_transpose(small)
    except Exception:  # a damaged EXIF block does not affect the pixels: keep the photo as it is
        return small


def _on_white(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, PhotoProblem):
        return error.reason
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {MAX_PIXELS:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return "is not an image"
    return f"is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})"


def photo_problem(name: str, market: Path) -> str | None:
    """Return why the photo at the path `name` of a market cannot be used ("is missing", "is not an image"), or None.

    The header is read; the pixels are decoded only where the file does not end as its format requires.
    """
    try:
        file = locate(market, name)
    except PhotoProblem as problem:
        return problem.reason
    size = file.stat().st_size
    if not size:
        return "is an empty file"
    if size > MAX_BYTES:
        return TOO_LARGE
    return decoding_problem(file, decode_all=False)


def image_end(data: bytes) -> int | None:
    """Return the length in bytes of the image at the start of a file; None where its format does not define it."""
    for magic, end in _ENDS.items():
        if re.match(magic, data, re.DOTALL):
            try:
                length = end(data)
            except (struct.error, IndexError):
                return None
            return length if length is not None and length <= len(data) else None
    return None


def _jpeg(data: bytes) -> int | None:
    offset = 2
    for _ in range(MOST_PARTS):
        if data[offset] != 0xFF:
            return None
        fill = _FILL.match(data, offset)
        offset = fill.end() - 1 if fill else offset
        marker = data[offset + 1]
        if marker == 0xD9:
            return offset + 2
        offset += 2 + struct.unpack_from(">H", data, offset + 2)[0]
        if marker == 0xDA:  # coded pixels follow
            marked = _MARKER.search(data, offset)
            if marked is None:
                return None
            offset = marked.start()
    return None


def _png(data: bytes) -> int | None:
    offset: int = 8
    for _ in range(MOST_PARTS):
        length, kind = struct.unpack_from(">I4s", data, offset)
        offset += 12 + length
        if kind == b"IEND":
            return offset
    return None


def _webp(data: bytes) -> int | None:
    length: int = struct.unpack_from("<I", data, 4)[0]
    return 8 + length + length % 2 if length % 2 and 8 + length < len(data) else 8 + length


_ENDS: dict[bytes, Callable[[bytes], int | None]] = {
    rb"\xff\xd8": _jpeg, rb"\x89PNG\r\n\x1a\n": _png, rb"RIFF....WEBP": _webp,
}  # fmt: skip


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
