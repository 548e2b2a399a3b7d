"""Photos with URLs: the path in the market where the file of each is stored, before and after its download."""

import hashlib
import re
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.storage import is_address

#: Folders of photos: downloaded files, and those whose table gives only a URL.
PHOTOS = "photos/"
FETCHED = f"{PHOTOS}by-url/"
_SUFFIX = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|avif)", re.IGNORECASE)
_HASHED = re.compile(rf"{FETCHED}[0-9a-f]{{2}}/[0-9a-f]{{32}}")


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
    parts = PureWindowsPath(path).parts  # parses / as \\ and drives: the strictest rules of all systems
    if len(parts) < 2 or f"{parts[0]}/" != PHOTOS or "\\" in path:
        return f"its path is not below {PHOTOS}"
    if any(part.startswith(".") for part in parts):
        return "its path has a name that begins with a dot"
    suffix = PurePosixPath(path).suffix
    if not _SUFFIX.fullmatch(suffix) and not (_HASHED.fullmatch(path)):
        return "its path does not end as an image does, such as in .jpg"
    return None


def with_paths(raw: pd.DataFrame) -> pd.DataFrame:
    """Return a photos table in which each photo has a path in the market, and `url` where it has a URL.

    A URL stands in `url` or instead of the path. Where both are given, `path` is the target file. A table without URLs
    is returned unchanged.
    """
    named = _named(raw[C.PATH]) if C.PATH in raw else None
    if C.URL not in raw and (named is None or not named.any()):
        return raw
    empty = pd.Series(None, index=raw.index, dtype=object)
    path, url = (raw[name].astype(object) if name in raw else empty for name in (C.PATH, C.URL))
    if named is not None:
        url, path = url.mask(named, path), path.mask(named)
    url = url.map(lambda cell: str(cell).strip() or None, na_action="ignore")
    bare = (path.isna() | (path.astype("str").str.strip() == "")) & url.notna()
    return raw.assign(
        **{C.PATH: path.mask(bare, url.where(bare).map(path_of, na_action="ignore")), C.URL: url}
    )


def _named(cells: pd.Series) -> np.ndarray:
    """Return (N,) whether each cell is a URL; only cells that may be one are parsed."""
    named = cells.astype("str").str.contains("://", regex=False).to_numpy(bool, na_value=False).copy()
    named[named] = [is_url(cell) for cell in cells[named]]
    return named
