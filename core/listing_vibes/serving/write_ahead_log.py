"""Damage in the write-ahead log of an SQLite file, which SQLite takes for its end: commits behind it would be lost in silence.

No library has it: SQLite and its tools read a log up to the first frame whose checksum fails, and remove it when they close.
"""

import shlex
import time
from pathlib import Path

import numpy as np

from listing_vibes.errors import VibesError

_HEADER, _FRAME = 32, 24  # bytes, of the log and of each frame
#: Least number of commits from the first broken frame on that proves damage. A power failure may break the last one.
_COMMITS = 2


def check_log(database: Path) -> None:
    """Raise where the write-ahead log of a database is damaged; a last commit that a power failure cut off is no damage.

    Raises:
        VibesError: the log is damaged; names it, the place of the damage and what to do.
    """
    log = database.with_name(database.name + "-wal")
    first = _damage(log)
    if first is not None:
        time.sleep(0.05)  # of a log that another process writes, parts of two moments were read
    if first is None or _damage(log) != first:
        return
    place, end = first
    raise VibesError(
        f"{log}, the write-ahead log of {database.name}, is damaged at byte {place}, so what was committed from there on cannot be "
        f"read. Restore both files from a backup, or continue without it: truncate -s {end} {shlex.quote(str(log))}"
    )


def _damage(log: Path) -> tuple[int, int] | None:
    """Return the first byte of the frame that is damaged, and the end of the last commit before it; None if there is no damage.

    The format is section 4 of https://www.sqlite.org/fileformat2.html.
    """
    try:
        content = log.read_bytes()
    except OSError:  # there is none, or SQLite will say what is wrong with it
        return None
    if len(content) < _HEADER:
        return None
    head = np.frombuffer(content, ">u4", _HEADER // 4)
    words = ">u4" if head[0] & 1 else "<u4"  # of checksums
    size = int(head[2])  # of a page in bytes
    sums = _checksum(np.frombuffer(content, words, _HEADER // 4 - 2)[None], np.zeros((1, 2), np.uint32))[0]
    if head[0] & ~np.uint32(1) != 0x377F0682 or not np.array_equal(sums, head[6:8]):
        rest = content[_HEADER:]
        return (0, 0) if len(rest) > _FRAME and any(rest) else None
    frames = np.frombuffer(
        content, np.uint8, (len(content) - _HEADER) // (_FRAME + size) * (_FRAME + size), _HEADER
    )
    frames = frames.reshape(-1, _FRAME + size)  # (N, bytes)
    heads = frames[:, :_FRAME].copy().view(">u4")  # (N, 6): page, pages after a commit, 2 salts, 2 checksums
    current = (heads[:, 2:4] == head[4:6]).all(axis=1)  # the others are of an older log, or never written
    before = np.vstack([head[6:8], heads[:-1, 4:6]]) if len(heads) else np.zeros((0, 2))
    data = np.hstack([frames[:, :8], frames[:, _FRAME:]]).view(words)  # (N, words)
    broken = np.flatnonzero((_checksum(data, before) != heads[:, 4:6]).any(axis=1) | ~current)
    commits = np.flatnonzero(current & (heads[:, 1] > 0))
    if not len(broken) or (commits >= broken[0]).sum() < _COMMITS:
        return None
    good = commits[commits < broken[0]]
    end = _HEADER + (int(good[-1]) + 1 if len(good) else 0) * (_FRAME + size)
    return _HEADER + int(broken[0]) * (_FRAME + size), end


def _checksum(data: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the checksums (N, 2) of rows of words (N, W), each continued from the checksum (N, 2) before it."""
    first, second = before.astype(np.uint32).T
    for even, odd in zip(data.T[0::2], data.T[1::2], strict=True):  # (N,) each; they wrap at 2 ** 32
        first = first + even.astype(np.uint32) + second
        second = second + odd.astype(np.uint32) + first
    return np.stack([first, second], axis=1)
