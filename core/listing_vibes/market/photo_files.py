"""Untrusted photos of a market: their paths and URLs, files and bytes."""

import hashlib
import re
import stat as modes
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import leads_out
from listing_vibes.market.storage import ADDRESS, is_address

#: Folders of photos: downloaded files, and those whose table gives only a URL.
PHOTOS = "photos/"
FETCHED = f"{PHOTOS}by-url/"
_SUFFIX = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|avif)", re.IGNORECASE)
_HASHED = re.compile(rf"{FETCHED}[0-9a-f]{{2}}/[0-9a-f]{{32}}")
MISSING = "is missing"
OUTSIDE = "lies outside of the market folder"
MAX_BYTES = 256 * 2**20
TOO_LARGE = f"is larger than {MAX_BYTES // 2**20} MB"


class PhotoProblem(Exception):
    """Why a photo cannot be used.

    Attributes:
        reason: such as "is missing".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the file {reason}")
        self.reason = reason


def locate(market: Path, path: object) -> Path:
    """Return the real file of a photo's path in a market.

    Raises:
        PhotoProblem: the path is empty, leaves the folder (symbolic links are followed), or is not a file.
    """
    if not isinstance(path, str) or not path:
        raise PhotoProblem("has an empty path")
    try:
        file = Path(market, path).resolve()
        if leads_out(Path(market), file):
            raise PhotoProblem(OUTSIDE)
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        hint = " (`vibes download MARKET` fetches it)" if path.startswith(FETCHED) else ""
        raise PhotoProblem(f"{MISSING}{hint}") from error
    # unreadable, a symbolic link loop, a NUL in the name
    except (OSError, RuntimeError, ValueError) as error:
        raise PhotoProblem(f"has a path that cannot be followed ({error})") from error
    if not modes.S_ISREG(mode):  # a folder, or a pipe that would block forever
        raise PhotoProblem("is not a file")
    return file


def stamp(file: Path) -> str:
    """Return size and modification time, which identify an unchanged file without reading it, also in a copied market."""
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def digest(file: Path) -> str:
    """Return the sha256 of a photo file; one that is unchanged by its `stamp` is not hashed again."""
    return _digest(file, stamp(file))


@lru_cache(maxsize=100_000)
def _digest(file: Path, stamp: str) -> str:
    return hashlib.sha256(read(file)).hexdigest()


def read(file: Path) -> bytes:
    """Return the bytes of a photo file.

    Raises:
        PhotoProblem: the file is too large or cannot be read.
    """
    try:
        with open(file, "rb") as source:
            data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise PhotoProblem(f"cannot be read ({error.strerror or error})") from error
    if len(data) > MAX_BYTES:
        raise PhotoProblem(TOO_LARGE)
    return data


def leaves_market(text: str) -> bool:
    """Return whether a photo's path is absolute (on any system) or leaves the market folder."""
    path = PureWindowsPath(text)  # parses / as \\ and drives: the strictest rules of all systems
    return bool(path.drive or path.root) or ".." in path.parts


def may_be_photo(path: str) -> bool:
    """Return whether a file may be written at a photo's path: one inside the market that is not a table or a hidden file."""
    parts = PureWindowsPath(path).parts
    hidden = any(part.startswith(".") for part in parts)
    reserved = len(parts) < 2 and path.lower().endswith((".toml", ".parquet", ".csv", ".csv.gz", ".absent"))
    return bool(parts) and not (hidden or reserved or leaves_market(path))


def is_url(text: object) -> bool:
    """Return whether a cell is a URL, with any scheme, rather than a path."""
    return isinstance(text, str) and is_address(text.strip())


def path_of(url: str) -> str:
    """Return the path in the market for the photo of a URL; it depends on the URL only, so that the table need not change."""
    name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    try:
        suffix = PurePosixPath(urlsplit(url).path).suffix
    except ValueError:
        suffix = ""
    return f"{FETCHED}{name[:2]}/{name}{suffix.lower() if _SUFFIX.fullmatch(suffix) else ''}"


def download_problem(path: str) -> str | None:
    """Return why a path is not allowed for a download; None where it names a photo below `PHOTOS` that is not hidden."""
    if not path.startswith(PHOTOS) or "\\" in path or not may_be_photo(path):
        return f"its path is not below {PHOTOS}, or has a name that begins with a dot"
    suffix = PurePosixPath(path).suffix
    if not _SUFFIX.fullmatch(suffix) and not (_HASHED.fullmatch(path)):
        return "its path does not end as an image does, such as in .jpg"
    return None


def with_paths(raw: pd.DataFrame) -> pd.DataFrame:
    """Return a photos table in which each photo has a path in the market, and `url` where it has a URL.

    A URL stands in `url` or instead of the path. Where both are given, `path` is the target file. A table without URLs
    is returned unchanged.
    """
    empty = pd.Series(None, index=raw.index, dtype=object)
    path, url = (raw.get(name, empty) for name in (C.PATH, C.URL))
    named = path.astype("str").str.match(rf"\s*{ADDRESS}").to_numpy(bool, na_value=False)
    if C.URL not in raw and not named.any():
        return raw
    path, url = path.astype(object), url.astype(object)
    url, path = url.mask(named, path), path.mask(named)
    url = url.map(lambda cell: str(cell).strip() or None, na_action="ignore")
    bare = (path.isna() | (path.astype("str").str.strip() == "")) & url.notna()
    return raw.assign(
        **{C.PATH: path.mask(bare, url.where(bare).map(path_of, na_action="ignore")), C.URL: url}
    )
