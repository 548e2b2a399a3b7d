"""Download the missing photos of a market that have URLs."""

import stat
from collections import deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import validate
from listing_vibes.market.download.fetch import Fetcher
from listing_vibes.market.download.guard import Failed, Limits, Stopped, parse_photo_url
from listing_vibes.market.durable import only_writer, sweep_left
from listing_vibes.market.io import find_table, read_table, write_table
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import PHOTOS, download_problem, with_paths
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.words import count

#: Table in the market folder of photos that failed, with the reason.
FAILURES = "photos-failed.csv"
LOCK = ".downloading"
#: Errors of a path that is a file for one photo and a folder for another.
_PATH_ERRORS = (FileExistsError, IsADirectoryError, NotADirectoryError)
REPORT_S = 0.2  # between two reports of progress


@dataclass
class Downloaded:
    """The result of a download; photos are counted by file. Threads add to the dictionaries.

    Attributes:
        named: photos with a URL; present: photos that existed before.
        sizes: the bytes of each newly fetched photo, by its path; failed: the reason, by path.
        left: photos not requested, since a limit or the end of the download came first; used_up: it was that of all bytes.
    """

    named: int = 0
    present: int = 0
    left: int = 0
    used_up: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def fetched(self) -> int:
        """The number of newly fetched photos."""
        return len(self.sizes)

    def text(self, failures: Path | None = None) -> str:
        """Return a summary in one line; `failures` is the file that lists the failed photos."""
        line = (
            f"{self.present + self.fetched:,} of {count(self.named, 'photo')} present: {self.fetched:,} fetched now "
            f"({sum(self.sizes.values()) / 1e6:,.1f} MB), {self.present:,} before."
        )
        if self.failed:
            line += f" {len(self.failed):,} failed" + (f", see {failures}." if failures else ".")
        if self.left:
            reason = "the bytes of this call are used up; " if self.used_up else ""
            line += f" {self.left:,} left: {reason}run the same again."
        return line


def download(
    market: Market | Path | str,
    limits: Limits | Mapping[str, Any] | None = None,
    report: Report = silent,
) -> tuple[Downloaded, Path | None]:
    """Fetch the missing photos of a market whose table has URLs.

    >>> homes = pd.DataFrame({"listing_id": ["a", "b"], "price": [900, 700]})
    >>> photos = pd.DataFrame({"listing_id": ["a"], "url": ["http://127.0.0.1/a.jpg"]})
    >>> shop = Market.from_frames(homes, photos=photos).save(folder / "shop")
    >>> result, failures = download(shop, {"per_host": 4})
    >>> result.named, result.fetched, failures.name  # addresses of this machine need `private` in the limits
    (1, 0, 'photos-failed.csv')

    Existing files stay; each file is written under a temporary name and renamed, so that the same call resumes after any
    interruption. Failed photos are listed in `photos-failed.csv` of the folder, which is removed when none failed.

    Args:
        market: a market, or its folder.
        limits: `Limits`, or some of them by name; None: the defaults.
        report: called with each update of `listing_vibes.progress`.

    Returns:
        the result; the list of failures, None where there are none.

    Raises:
        VibesError: no photo has a URL, another process is downloading, the folder cannot be written, or a limit
            is unknown.
    """
    if isinstance(market, Market) and not market.is_stored:
        raise VibesError(
            f"{market.name} has no folder to fetch photos into; write it to one with market.save(folder)."
        )
    path = market.path if isinstance(market, Market) else Path(market)
    limits = validate(Limits, limits or {}, "The limits of a download")
    opened = Market.open(path, events_too=False)
    source = find_table(opened.tables, "photos")
    raw = with_paths(read_table(source)) if source is not None else pd.DataFrame()
    if source is None or C.URL not in raw or not raw[C.URL].notna().any():
        raise VibesError(
            f"{path} has no photo with a URL, so there is nothing to fetch; write the URLs into the column "
            f"{C.URL} or {C.PATH} of photos.parquet or photos.csv."
        )
    named = raw[raw[C.URL].notna()]
    urls = dict(zip(named[C.PATH].astype("str").str.strip(), named[C.URL].astype("str"), strict=True))
    photos = opened.photos[opened.photos[C.PATH].isin(urls)]
    result, failures = Downloaded(), path / FAILURES
    with only_writer(path, "vibes download", LOCK):
        try:
            fetch_photos(path, {name: urls[name] for name in photos[C.PATH].unique()}, limits, report, result)
        finally:
            failures.unlink(missing_ok=True)
            if result.failed:
                rows = photos[photos[C.PATH].isin(result.failed)]
                reasons = {C.URL: rows[C.PATH].map(urls), "reason": rows[C.PATH].map(result.failed)}
                write_table(failures, rows[[C.LISTING, C.POSITION]].assign(**reasons))
    return result, failures if result.failed else None


def fetch_photos(
    market: Path,
    urls: Mapping[str, str],
    limits: Limits | None = None,
    report: Report = silent,
    result: Downloaded | None = None,
) -> Downloaded:
    """Fetch the missing photos of the folder `market`, whose URLs are given by path; `result` is updated and returned."""
    limits, result = limits or Limits(), result or Downloaded()
    result.named = len(urls)
    hosts, fetcher = _group_by_host(market, urls, result), Fetcher(limits)
    with ThreadPoolExecutor(limits.hosts, thread_name_prefix="photo-hosts") as pool:
        futures = [pool.submit(_fetch_host, fetcher, market, photos, result) for photos in hosts]
        try:
            pending = True
            while pending:
                pending = bool(wait(futures, REPORT_S).not_done)
                report(Counted("photos", result.present + result.fetched + len(result.failed), len(urls)))
        finally:
            fetcher.end()
            pool.shutdown(cancel_futures=True)
            fetcher.close()
    for future in futures:
        future.result()  # raises the error of writing a file
    result.used_up = fetcher.used_up
    result.left = len(urls) - result.present - result.fetched - len(result.failed)
    return result


def _group_by_host(market: Path, urls: Mapping[str, str], result: Downloaded) -> list[deque[tuple[str, str]]]:
    """Return the photos to fetch by host; existing and impossible ones are counted in `result`."""
    root = market.resolve() / PHOTOS

    @cache
    def is_inside(folder: Path) -> bool:
        if inside := folder.resolve().is_relative_to(root):
            sweep_left(folder)
        return inside

    hosts: dict[tuple[str | None, ...], deque[tuple[str, str]]] = {}
    for name, url in urls.items():
        file = market / name
        try:
            if problem := download_problem(name):
                raise Failed(problem)
            if not is_inside(file.parent):
                raise Failed(f"its path is a link that leaves {PHOTOS}")
            with suppress(FileNotFoundError):
                status = file.stat()
                if stat.S_ISDIR(status.st_mode):
                    raise Failed("its path is a folder")
                if status.st_size:
                    result.present += 1
                    continue
            parsed = parse_photo_url(url)
            hosts.setdefault((parsed.scheme, parsed.netloc), deque()).append((name, url))
        except Failed as failed:
            result.failed[name] = str(failed)
        except (OSError, ValueError) as error:  # the name may be invalid
            result.failed[name] = f"its path is not a valid file name ({error})"
    return list(hosts.values())


def _fetch_host(fetcher: Fetcher, market: Path, photos: deque[tuple[str, str]], result: Downloaded) -> None:
    """Fetch the photos of a host over `per_host` connections, and count them in `result`."""

    def work() -> None:
        try:
            while photos and not fetcher.stop.is_set():
                name, url = photos.popleft()
                try:
                    result.sizes[name] = fetcher.fetch(url, market / name)
                except Failed as failed:
                    result.failed[name] = str(failed)
                except VibesError as error:
                    if not isinstance(error.__cause__, _PATH_ERRORS):
                        raise
                    result.failed[name] = (
                        "its path is also a folder of other photos, or lies below another photo"
                    )
        except (IndexError, Stopped):  # another thread took the last photo, or the download ended
            return
        except BaseException:
            fetcher.end()
            raise

    with ThreadPoolExecutor(fetcher.limits.per_host, thread_name_prefix="photos") as pool:
        lanes = [pool.submit(work) for _ in range(min(fetcher.limits.per_host, len(photos)))]
    for lane in lanes:
        lane.result()
