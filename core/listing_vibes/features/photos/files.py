"""Reading photo files that somebody else put into the market: nothing here trusts them."""

import stat
from pathlib import Path

from listing_vibes.market.photo_check import OUTSIDE
from listing_vibes.market.photo_decoding import PhotoProblem, open_photo
from listing_vibes.market.photo_folders import PhotoFolders
from listing_vibes.market.photo_urls import FETCHED

__all__ = ["MAX_BYTES", "PhotoProblem", "locate", "open_photo", "read", "stamp"]


MAX_BYTES = 256 * 2**20


def locate(market_path: Path, photo_path: object) -> Path:
    """The real file of a photo path.

    Raises:
        PhotoProblem: the path is empty, leaves the market and its `photo_root` (symbolic links are followed), or names no file.
    """
    if not isinstance(photo_path, str) or not photo_path:
        raise PhotoProblem("the path is empty")
    folders = PhotoFolders.of(market_path)
    try:
        file = Path(folders.file(photo_path)).resolve()
        if not folders.contain(file):
            raise PhotoProblem(f"the file {OUTSIDE}")
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
