"""Fetching all photos of a market that are named by an address and are not there yet."""

from __future__ import annotations

import errno
import os
import queue
import stat
import threading
import time
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.column_names import read_market_table
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.address import Address
from listing_vibes.market.download.fetch import fetch
from listing_vibes.market.download.hosts import Web
from listing_vibes.market.download.limits import Failed, Limits, Stopped
from listing_vibes.market.durable import only_writer, sweep_left, write_error
from listing_vibes.market.io import find_table, write_table
from listing_vibes.market.market import Market
from listing_vibes.market.photo_urls import PHOTOS, download_problem, with_paths
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.words import count

#: Beside the tables of a market: what was not fetched, a row a photo, with the reason.
FAILURES = "photos-failed.csv"
LOCK = ".downloading"
#: What a system says of one path; anything else, such as a full disk, keeps every photo from being written.
OF_ITS_PATH = (
    errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP, errno.EINVAL, errno.EILSEQ,
)  # fmt: skip
#: Seconds between two writings of the list of failures while a download runs.
EVERY = 10.0


@dataclass
class Downloaded:
    """What a download did; photos are counted by their file.

    Attributes:
        named: by an address; there: that were there before.
        fetched, bytes: that came now, and how many bytes that were.
        failed: the reason by path; left: that were not asked for, since the bytes were used up or the download ended.
        received: bytes that came over the network, those of failures too.
        table: the file that names the photos, which stays as it is.
    """

    named: int = 0
    there: int = 0
    fetched: int = 0
    bytes: int = 0
    received: int = 0
    left: int = 0
    used_up: bool = False
    table: str = ""
    failed: dict[str, str] = field(default_factory=dict)

    def text(self, failures: Path | None = None) -> str:
        """One line over all; `failures` is the file that lists what was not fetched."""
        line = (
            f"{self.there + self.fetched:,} of {count(self.named, 'photo')} "
            f"{'is' if self.there + self.fetched == 1 else 'are'} there: {self.fetched:,} fetched now ({self.bytes / 1e6:,.1f} MB), "
            f"{self.there:,} before."
        )
        if self.table:
            line += f" They lie below {PHOTOS}; {self.table} stays as it is, and new rows go there."
        if self.failed:
            line += f" {len(self.failed):,} failed" + (f", see {failures}." if failures else ".")
        if self.left:
            why = "the bytes that this call may receive are used up; run" if self.used_up else "run"
            line += f" {self.left:,} left: {why} the same again."
        return line

    def to_dict(self) -> dict[str, Any]:
        """As JSON, the failures counted by their reason."""
        reasons = pd.Series(list(self.failed.values()), dtype="str").value_counts()
        return asdict(self) | {
            "failed": len(self.failed),
            "reasons": {str(reason): int(number) for reason, number in reasons.items()},
        }


def download(
    market: Market | Path | str,
    limits: Limits | Mapping[str, Any] | None = None,
    report: Report | None = None,
) -> tuple[Downloaded, Path | None]:
    """Fetch the photos of a market that its table names by an address and that are not there yet.

    >>> homes = pd.DataFrame({"listing_id": ["a", "b"], "price": [900, 700]})
    >>> photos = pd.DataFrame({"listing_id": ["a"], "url": ["http://127.0.0.1/a.jpg"]})
    >>> shop = Market.from_frames(homes, photos=photos, path=folder / "shop")
    >>> found, failures = download(shop, {"per_host": 4})
    >>> found.named, found.fetched, failures.name  # an address of this machine, which is asked only where limits say `private`
    (1, 0, 'photos-failed.csv')

    What is there stays; each file is written under a temporary name and renamed, so that the same call goes on after any
    interruption. What cannot be fetched is listed in `photos-failed.csv` of the folder, which goes when nothing is left to say.

    Args:
        market: an opened one, or its folder.
        limits: `Limits`, or some of them by their names; None: the default ones.
        report: called with each update of `listing_vibes.progress`.

    Returns:
        what was done; the list of failures, None where there is none.

    Raises:
        VibesError: no photo is named by an address, somebody else downloads there, the folder cannot be written, or limits that there
            are not.
    """
    path, limits = market.path if isinstance(market, Market) else Path(market), Limits.of(limits)
    opened = Market.open(path, events_too=False)
    source = find_table(opened.tables, "photos")
    raw = with_paths(read_market_table(source, opened.config)) if source is not None else pd.DataFrame()
    if C.URL not in raw or not raw[C.URL].notna().any():
        raise VibesError(
            f"{path} names no photo by an address, so there is nothing to fetch; write the addresses into the column "
            f"{C.URL} or {C.PATH} of photos.parquet or photos.csv."
        )
    named = raw[raw[C.URL].notna()]
    urls = dict(zip(named[C.PATH].astype("str").str.strip(), named[C.URL].astype("str"), strict=True))
    photos = opened.photos[opened.photos[C.PATH].isin(urls)]
    wanted = {name: urls[name] for name in photos[C.PATH].unique()}
    with only_writer(path, "vibes download", LOCK):
        log = Failures(path / FAILURES, photos, wanted)
        found = bring(path, wanted, limits, report, log)
        log.write(found.failed)
    found.table = source.name if source is not None else ""
    return found, log.file if found.failed else None


def bring(
    market: Path,
    wanted: Mapping[str, str],
    limits: Limits | None = None,
    report: Report | None = None,
    log: Failures | None = None,
) -> Downloaded:
    """Fetch photos, by their paths in the market the addresses, that are not there yet.

    Raises:
        VibesError: a file cannot be written.
    """
    report, found, todo = report or silent, Downloaded(named=len(wanted)), {}
    root, safe = market.resolve(), {}
    for name, url in wanted.items():
        file = market / name
        if problem := download_problem(name):
            found.failed[name] = problem
            continue
        try:
            if file.parent not in safe:
                safe[file.parent] = file.parent.resolve().is_relative_to(root / PHOTOS)
                if safe[file.parent]:
                    sweep_left(file.parent)
            if not safe[file.parent]:
                found.failed[name] = f"its path is a link that leaves {PHOTOS}"
            elif _is_there(file):
                found.there += 1
            else:
                todo[name] = url
        except (OSError, ValueError) as error:
            found.failed[name] = _no_place(market, error)
    web, answers = Web(limits or Limits()), queue.SimpleQueue()  # type: ignore[var-annotated]
    hosts = _by_host(todo, found)
    lanes = [min(web.limits.per_host, len(photos)) for photos in hosts]
    with ThreadPoolExecutor(web.limits.hosts, thread_name_prefix="photos") as pool:
        try:
            for photos, count_ in zip(hosts, lanes, strict=True):
                pool.submit(_host, web, market, photos, count_, answers)
            pending, written = sum(lanes), time.monotonic()
            while pending:
                report(Counted("photos", found.there + found.fetched + len(found.failed), len(wanted)))
                name, done = answers.get()
                if name is None:
                    pending -= 1
                    if isinstance(done, BaseException):
                        raise done
                elif isinstance(done, str):
                    found.failed[name] = done
                else:
                    found.fetched, found.bytes = found.fetched + 1, found.bytes + done
                if log is not None and found.failed and time.monotonic() - written > EVERY:
                    log.write(found.failed)
                    written = time.monotonic()
        finally:
            web.end()
            pool.shutdown(cancel_futures=True)
            web.close()
            if (
                log is not None and pending
            ):  # it was told to end, or the disk is full: what is known is kept if it can be
                with suppress(VibesError):
                    log.write(found.failed)
    found.received, found.used_up = web.received, web.used_up
    found.left = len(wanted) - found.there - found.fetched - len(found.failed)
    return found


def _is_there(file: Path) -> bool:
    try:
        found = file.stat()
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(found.st_mode) and found.st_size > 0


def _no_place(market: Path, error: BaseException) -> str:
    """Why one path can be no file of a market, in a few words.

    Raises:
        VibesError: no other path would be spared.
    """
    if isinstance(error, ValueError):  # a NUL, or half a letter
        return f"its path cannot be a file ({error})"
    if isinstance(error, OSError) and error.errno in OF_ITS_PATH:
        return f"its path cannot be a file ({error.strerror})"
    if isinstance(error, OSError):
        raise write_error(market, error) from error
    raise error


def _by_host(todo: Mapping[str, str], found: Downloaded) -> list[deque[tuple[str, str]]]:
    """The photos of each host; what is no address that can be asked is told in `found`."""
    by_host: dict[tuple[str, str, int], deque[tuple[str, str]]] = {}
    for name, url in todo.items():
        try:
            address = Address.of(url)
        except Failed as failed:
            found.failed[name] = str(failed)
        else:
            key = (address.scheme, address.host, address.port)
            by_host.setdefault(key, deque()).append((name, url))
    return list(by_host.values())


def _host(
    web: Web, market: Path, photos: deque[tuple[str, str]], lanes: int, answers: queue.SimpleQueue[Any]
) -> None:
    """Fetch the photos of a host on so many threads, of which this is one."""
    others = [threading.Thread(target=_work, args=(web, market, photos, answers)) for _ in range(lanes - 1)]
    for other in others:
        other.start()
    _work(web, market, photos, answers)
    for other in others:
        other.join()


def _work(web: Web, market: Path, lane: deque[tuple[str, str]], answers: queue.SimpleQueue[Any]) -> None:
    """Fetch what is left of a host's photos, which others may take as well."""
    problem: BaseException | None = None
    try:
        while not web.stop.is_set():
            try:
                name, url = lane.popleft()
            except IndexError:
                break
            try:
                answers.put((name, fetch(web, url, market / name)))
            except Failed as failed:
                answers.put((name, str(failed)))
            except VibesError as error:  # the file cannot be written
                answers.put((name, _no_place(market / name, error.__cause__ or error)))
    except Stopped:
        pass
    except BaseException as error:  # told where the whole is waited for
        problem = error
    answers.put((None, problem))


class Failures:
    """The list of what was not fetched."""

    def __init__(self, file: Path, photos: pd.DataFrame, urls: Mapping[str, str]) -> None:
        self.file, self._photos, self._urls = file, photos, urls

    def write(self, failed: Mapping[str, str]) -> None:
        """Write it, or remove it where nothing failed.

        Raises:
            VibesError: it cannot be written.
        """
        if not failed:
            self.file.unlink(missing_ok=True)
            return
        rows = self._photos[self._photos[C.PATH].isin(failed)]
        told = {C.URL: rows[C.PATH].map(dict(self._urls)), "reason": rows[C.PATH].map(dict(failed))}
        write_table(self.file, rows[[C.LISTING, C.POSITION]].assign(**told))
