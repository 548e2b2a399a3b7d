"""What took long to count of a market, kept in its cache until something changes that it was counted from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.documents import NOT_AS_MEANT, write_json

Counted = TypeVar("Counted", bound=BaseModel)


def kept(
    market: Path, name: str, of: Iterable[object], kind: type[Counted], count: Callable[[], Counted]
) -> Counted:
    """What `count` gives, or gave before for the same `of`; where nothing can be written, it is counted each time.

    Args:
        market: the market's folder.
        name: of the file in its cache.
        of: all that the count rests on: fingerprints, the contents of files (bytes), numbers.
    """
    digest = hashlib.sha256()
    for part in of:
        said = part if isinstance(part, bytes) else repr(part).encode()
        digest.update(f"{len(said)} ".encode() + said)
    path, asked = writable_cache(market) / f"{name}.json", digest.hexdigest()
    with suppress(OSError, *NOT_AS_MEANT):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["of"] == asked:
            return kind.model_validate(found["counted"])
    counted = count()
    with suppress(OSError, VibesError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"of": asked, "counted": counted.model_dump(mode="json")})
    return counted


def content(path: Path) -> bytes:
    """The bytes of a file, none where there is no file."""
    return path.read_bytes() if path.is_file() else b""


def stamp(path: str | Path) -> tuple[int, ...] | None:
    """What tells, without reading it, that a file is the one it was, and as it was; None where there is none."""
    with suppress(OSError, ValueError):  # of a name that no system takes
        found = os.stat(path)
        return found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size
    return None
