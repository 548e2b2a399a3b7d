"""Loop of refreshes at a polling interval."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.durable import only_writer
from listing_vibes.serving.refresh.refresher import Refresher, RefreshResult, Stopped
from listing_vibes.serving.refresh.sources import Source
from listing_vibes.words import count

#: File that a loop locks while it runs and whose modification time it updates every few seconds.
REFRESHING = ".refreshing"
#: Seconds between two heartbeats; seconds to wait for another writer.
ALIVE_S, WAIT_S = 2.0, 300.0


def keep_fresh(
    path: Path,
    sources: Mapping[str, Source],
    every: float | None,
    stop: threading.Event,
    report: Callable[[RefreshResult | VibesError], None],
    limits: Limits | None = None,
) -> None:
    """Poll the sources every `every` seconds (None: once) until `stop` is set, which also cancels a running refresh.

    An error of the first refresh is raised; a later one is reported, and the refresh is retried at the next poll.
    The run is locked only during a refresh, so that `vibes forget` and `vibes embed` need not wait for the loop to end.

    Args:
        report: called with the result or the error of each refresh.
        limits: see `Refresher`.

    Raises:
        VibesError: the run cannot be refreshed, or the first refresh failed.
    """

    def tick() -> None:
        if stop.is_set():
            raise Stopped
        with suppress(OSError):
            os.utime(path / REFRESHING)

    refresher = Refresher(path, sources, tick, limits)
    is_first = True
    with only_writer(path, "vibes refresh", name=REFRESHING), suppress(Stopped):  # one loop per run
        while True:
            started = time.monotonic()
            try:
                tick()
                report(refresher.refresh(wait=0.0 if is_first else WAIT_S))
            except VibesError as error:
                if is_first or every is None:
                    raise
                report(error)
            if every is None:
                return
            is_first = False
            gc.collect()  # frees large reference cycles, which Python collects too rarely
            while (left := started + every - time.monotonic()) > 0:
                stop.wait(min(left, ALIVE_S))
                tick()


def seconds_of(text: str) -> float:
    """Return a time such as `30`, `30s`, `10m`, `1.5h` or `1d` in seconds.

    Raises:
        VibesError: the text is not such a time.
    """
    time_text = text.strip().lower().replace("d", "D")  # the unit of a day in pandas
    try:
        timedelta = pd.Timedelta(f"{time_text}s" if time_text[-1:].isdigit() else time_text)
    except ValueError:
        timedelta = pd.NaT
    if not timedelta > pd.Timedelta(0):  # also excludes NaT
        raise VibesError(f"Option --every is '{text}'; give a time such as 30s, 10m or 1h.")
    return float(timedelta.total_seconds())


def status(result: RefreshResult) -> str:
    """Return the result of a refresh in one line."""
    changes = f"{count(result.events, 'event')} of {count(result.users, 'user')}, listings {result.new:,} new"
    changes += f", {result.changed:,} changed, {result.expired:,} expired"
    parts = [f"version {result.version}: {changes if result.published else 'nothing new'}"]
    if result.waiting or result.photos_waiting:
        parts.append(f"{count(result.waiting, 'event')} and {count(result.photos_waiting, 'photo')} wait")
    parts += [f"wrote {', '.join(result.wrote)}"] if result.wrote else []
    if result.problems:
        parts.append(f"{count(len(result.problems), 'problem')}, the first: {result.problems[0]}")
    return "; ".join(parts)
