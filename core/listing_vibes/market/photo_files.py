"""Untrusted photo files of a market: their locations, bytes and problems."""

from __future__ import annotations

import os
import stat as modes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from listing_vibes.market.config import MarketConfig
from listing_vibes.market.defects import Defect
from listing_vibes.market.fingerprint import stamp as file_stamp
from listing_vibes.market.photo_urls import FETCHED

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


@dataclass(frozen=True)
class PhotoFolders:
    """The folders that photos are read from; `root`, which is read-only, is None where market.toml does not name one."""

    market: Path
    root: Path | None

    @classmethod
    def of(cls, market: Path) -> PhotoFolders:
        """Return the folders of a market.

        Raises:
            VibesError: its market.toml cannot be read.
        """
        file = os.path.join(market, "market.toml")
        return cls(Path(market), _root(Path(market), file_stamp(file)))

    def file(self, path: str) -> str:
        """Return the file of a photo's path, in the market or else below `root`; check it with `contain`."""
        inside = os.path.join(self.market, path)
        if self.root is None or os.path.isfile(inside):
            return inside
        return os.path.join(self.root, path)

    def contain(self, file: Path) -> bool:
        """Return whether a resolved path is in one of the folders."""
        return any(
            file.is_relative_to(folder.resolve()) for folder in (self.market, self.root) if folder is not None
        )

    def locate(self, path: object) -> Path:
        """Return the real file of a photo's path.

        Raises:
            PhotoProblem: the path is empty, leaves the folders (symbolic links are followed), or is not a file.
        """
        if not isinstance(path, str) or not path:
            raise PhotoProblem("has an empty path")
        try:
            file = Path(self.file(path)).resolve()
            if not self.contain(file):
                raise PhotoProblem(OUTSIDE)
            mode = file.stat().st_mode
        except FileNotFoundError as error:
            hint = " (`vibes download MARKET` fetches it)" if path.startswith(FETCHED) else ""
            raise PhotoProblem(f"{MISSING}{hint}") from error
        except (
            OSError,
            RuntimeError,
            ValueError,
        ) as error:  # unreadable, a symbolic link loop, a NUL in the name
            raise PhotoProblem(f"has a path that cannot be followed ({error})") from error
        if not modes.S_ISREG(mode):  # a folder, or a pipe that would block forever
            raise PhotoProblem("is not a file")
        return file


def locate(market_path: Path, photo_path: object) -> Path:
    """Return the real file of a photo's path in a market; see `PhotoFolders.locate`."""
    return PhotoFolders.of(market_path).locate(photo_path)


def stamp(file: Path) -> str:
    """Return size and modification time, which identify an unchanged file without reading it, also in a copied market."""
    status = file.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


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


def root_defects(market: Path, config: MarketConfig) -> list[Defect]:
    """Return the defect of a missing `photo_root`."""
    if not config.photo_root or (market / config.photo_root).is_dir():
        return []
    message = "is not a folder on this machine; photos are read from the market only"
    return [Defect("market.toml", "photo_root", 0, config.photo_root, message)]


@lru_cache(maxsize=64)
def _root(market: Path, stamp: object) -> Path | None:
    """Return the photo folder that market.toml names; `stamp` is a cache key of the file's state."""
    root = MarketConfig.load(market / "market.toml").photo_root
    return market / root if root else None
