"""Look after look, until somebody says stop."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.database import QUERY, query_of
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.durable import only_writer
from listing_vibes.market.storage import is_address
from listing_vibes.run.run import Run
from listing_vibes.serving.database import is_store
from listing_vibes.serving.refresh.files import FileSource
from listing_vibes.serving.refresh.refresher import Look, Refresher, Stopped
from listing_vibes.serving.refresh.sources import Source, StoreSource
from listing_vibes.serving.refresh.sql import SqlSource
from listing_vibes.words import count

#: Locked by a loop as long as it lasts, and touched every few seconds as long as it is alive.
REFRESHING = ".refreshing"
#: Seconds between two looks whether the run is still the one that is held; that another writer is waited for.
ALIVE_S, WAIT_S = 2.0, 300.0


def keep_fresh(
    path: Path,
    sources: Mapping[str, Source],
    every: float | None,
    stop: threading.Event,
    report: Callable[[Look | VibesError], None],
    k: int = K,
    after: Callable[[Run], object] = lambda run: None,
    beside: str | None = None,
    limits: Limits | None = None,
) -> None:
    """Look at the sources every `every` seconds (None: once) until `stop` is set, which also ends a look half-way.

    The first look fails where it cannot be done; from then on a failed one is reported and tried again at the next.
    The run is locked during a look alone, so that `vibes forget` and `vibes embed` need not wait for the loop to end; what they
    publish is taken up at the next look.

    Args:
        report: gets what each look brought, or why it failed.
        beside: what is added to the model in pushes, see `Run.recommend`.
        limits: within which new photos are fetched by their addresses; None: they are not.
        after: gets the run at the start and after each look that published something.

    Raises:
        VibesError: the run cannot be refreshed, or the first look failed.
    """

    loop = _Loop(path, sources, stop, k, beside, limits)
    first = behind = True
    with only_writer(path, "vibes refresh", name=REFRESHING), closing(loop):  # one loop a run
        while not stop.is_set():
            started = time.monotonic()
            try:
                look, reopened = loop.look(wait=False if first else WAIT_S)
                behind |= look.published or reopened
                report(look)
                if behind:  # also after an earlier look
                    after(loop.run)
                    behind = False
                if every is None:
                    return
                loop.warm()
                if look.published:
                    gc.collect()  # what was built refers to itself and may be large; Python looks for it too seldom
            except Stopped:
                return
            except VibesError as error:
                if first or every is None:
                    raise
                behind = True  # it may have failed after it had published
                report(error)
            first = False
            loop.pause(started + every)


class _Loop:
    """Looks that lock the run one by one, and hold no state of it that was replaced."""

    def __init__(
        self,
        path: Path,
        sources: Mapping[str, Source],
        stop: threading.Event,
        k: int,
        beside: str | None,
        limits: Limits | None,
    ) -> None:
        self.path, self.stop = path, stop
        self._open = lambda: Refresher(path, sources, k, self._tick, beside, limits)
        self._refresher: Refresher | None = None

    def look(self, wait: bool | float) -> tuple[Look, bool]:
        """Look once; returns what it brought, and whether the run was opened for it.

        Args:
            wait: seconds that another writer of the run may take to end.
        """
        with only_writer(self.path, "vibes refresh", wait=wait):
            reopened = self._refresher is None or self._refresher.is_outdated
            if reopened:
                self._refresher = self._open()
            assert self._refresher is not None
            return self._refresher.look(), reopened

    @property
    def run(self) -> Run:
        """The run as the last look left it."""
        assert self._refresher is not None
        return self._refresher.run

    def warm(self) -> None:
        """See `Refresher.warm`."""
        if self._refresher is not None:
            self._refresher.warm()

    def pause(self, until: float) -> None:
        """Wait until a moment or until the loop is to end; let go of the run's state as soon as it is replaced.

        `vibes forget` waits for that, and nobody's events are written back from memory.
        """
        while (left := until - time.monotonic()) > 0 and not self.stop.wait(min(left, ALIVE_S)):
            touch(self.path / REFRESHING)
            with suppress(VibesError):  # the next look says so
                if self._refresher is not None and self._refresher.is_outdated:
                    self._refresher = None
                    gc.collect()

    def close(self) -> None:
        """Let go of the run."""
        self._refresher = None

    def _tick(self) -> None:
        if self.stop.is_set():
            raise Stopped
        touch(self.path / REFRESHING)


def source_of(name: str, told: str, database: str | None) -> Source:
    """What `--events`, `--listings` or `--photos` means: a folder here or on a storage, a query, or a `.sql` file that holds one.

    Raises:
        VibesError: a query without a database, or neither a folder nor a query.
    """
    if name == "events" and is_store(told):
        return StoreSource(told)
    if is_address(told):
        return FileSource(told, f"--{name}")
    query = query_of(told, name)
    if QUERY.match(query):
        if database is None:
            raise VibesError(f"--{name} is a query; say with --database where to ask it.")
        return SqlSource(database, query, name)
    if not Path(told).is_dir():
        raise VibesError(
            f"--{name} '{told}' is neither a folder nor a query; give the folder that new tables are put into, or "
            "SELECT ... together with --database."
        )
    return FileSource(told, f"--{name}")


def touch(path: Path) -> None:
    """Say that this process is alive, where it can be said."""
    with suppress(OSError):
        os.utime(path)


def seconds_of(text: str) -> float:
    """A time such as `30`, `30s`, `10m`, `1.5h` or `1d`, in seconds; all else that `pandas.Timedelta` reads as well.

    Raises:
        VibesError: it is none.
    """
    told = text.strip().lower().replace("d", "D")  # pandas spells a day so
    try:
        found = pd.Timedelta(f"{told}s" if told[-1:].isdigit() else told)
    except ValueError:
        found = pd.NaT
    if not found > pd.Timedelta(0):  # NaT is not, either
        raise VibesError(f"Option --every is '{text}'; give a time such as 30s, 10m or 1h.")
    return found.total_seconds()


def status(look: Look) -> str:
    """A look as one line: the generation, what came, what was encoded for it, how long it took, the lag."""
    counts = look.encoded
    if look.published:
        parts = [
            f"generation {look.generation}: {count(look.events, 'event')} of {count(look.users, 'user')}",
            f"listings {look.new:,} new, {look.changed:,} changed, {look.expired:,} expired",
            f"encoded {counts.listings:,} listings, {counts.histories:,} histories, {counts.photos:,} photos",
            f"{look.seconds:.1f} s",
            f"lag {look.lag_s or 0:.1f} s",
        ]
    else:
        parts = [f"generation {look.generation}: nothing new"]
    if look.wrote:
        files = [
            path if (old := look.wrote[path]) in (None, Path(path).name) else f"{path} (instead of {old})"
            for path in look.wrote
        ]
        places = [f"{table} into {place}" for table, place in look.new_rows.items()]
        parts.append(f"wrote {', '.join(files)}; put the next {', '.join(places)}, not into these files")
    if look.waiting:
        parts.append(f"{count(look.waiting, 'event waits', 'events wait')} for the listing or the time")
    if look.photos_waiting:
        parts.append(f"{count(look.photos_waiting, 'photo waits', 'photos wait')} for another try")
    if look.problems:
        more = f" (and {len(look.problems) - 1:,} more)" if len(look.problems) > 1 else ""
        parts.append(f"problem: {look.problems[0]}{more}")
    return "; ".join(parts)


def document(look: Look) -> dict[str, Any]:
    """A look as JSON."""
    return asdict(look)
