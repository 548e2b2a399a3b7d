"""Refreshes of a run: poll the sources, merge their rows, encode new listings, and publish a version; once, or at an interval."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import AttributeSpace
from listing_vibes.features.feature_config import trained_weights
from listing_vibes.features.photos.photo_vectors import (
    NOT_EMBEDDED,
    PhotoVectors,
    load_photo_vectors,
    photo_center,
)
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.guard import Limits
from listing_vibes.market.durable import only_writer, sweep_left
from listing_vibes.market.market import Market
from listing_vibes.progress import Report, Update, silent
from listing_vibes.run.embedding import spaces_of, stored_vectors
from listing_vibes.run.engine import Engine
from listing_vibes.run.run import Run
from listing_vibes.run.versions import stamp_of, sweep
from listing_vibes.serving.refresh.merge import Changes, merge_events, merge_listings
from listing_vibes.serving.refresh.new_photos import merge_photos
from listing_vibes.serving.refresh.polls import Poll, Source
from listing_vibes.serving.refresh.publication import (
    RefreshState,
    changed_market,
    next_version,
    pinned_config,
    update_market_folder,
)
from listing_vibes.words import count

#: Tables in the order of reading: a listing is written before its first event, so events are read first.
ORDER = ("events", "photos", "listings")


class RefreshCanceled(Exception):
    """The refresh was canceled; nothing of it is published."""


@dataclass
class RefreshResult:
    """The result of a refresh.

    Attributes:
        version: the run's version after the refresh; published: whether this refresh published it.
        events, users: number of new events, and of their users; new, changed, expired: number of listings.
        waiting: number of other new events, which are on unknown listings or in the future.
        photos_waiting: number of photos that could not be read or fetched and are tried again.
        problems: rows, files and queries that could not be used unchanged, one sentence each.
        unread: how many of the problems are files and queries that could not be used at all.
        rejected: number of rows that were left out, or merged without one of their cells.
    """

    version: int
    published: bool
    events: int
    users: int
    new: int
    changed: int
    expired: int
    waiting: int
    photos_waiting: int
    seconds: float
    problems: list[str]
    unread: int
    rejected: int
    wrote: list[str]


class Refresher:
    """Refreshes one run. It holds no state of the run between two refreshes, so other commands may publish one in between.

    Args:
        tick: called regularly during a refresh; may raise `RefreshCanceled`.
        report: called with the progress of long steps.
        limits: limits for fetching new photos by URL; None: they are not fetched.
    """

    def __init__(
        self,
        path: Path,
        sources: Mapping[str, Source],
        tick: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        report: Report = silent,
    ) -> None:
        self.path, self.sources, self.tick, self._report = path, dict(sources), tick, report
        self._limits, self._is_first = limits, True

    def refresh(self, wait: float = 0.0) -> RefreshResult:
        """Merge new rows and publish the new state.

        Args:
            wait: seconds to wait for another writer of the run.

        Raises:
            VibesError: a source cannot be read, a disk is full, the market's tables were changed by something else, or another command
                writes the run.
            RefreshCanceled: by `tick`.
        """
        with only_writer(self.path, "vibes refresh", wait=wait):
            started = time.time()
            sweep_left(self.path)  # files of a killed refresh
            state, polls = RefreshState.load(self.path), dict[str, Poll]()
            for name in ORDER:
                if (source := self.sources.get(name)) is not None:
                    polls[name] = source.poll(state.marks.get(name, {}).get(source.place, {}))
                    self.tick()
            changes = Changes(problems=[problem for poll in polls.values() for problem in poll.problems])
            expired, wrote = 0, list[str]()
            if self._is_first or any(poll.frames for poll in polls.values()):
                expired, wrote = self._take_in(state, polls, changes, started)
                self._is_first = False
            state.save(self.path)
            rejected = {(issue.file, row) for issue in changes.issues for row in issue.rows.tolist()}
            return RefreshResult(
                version=stamp_of(self.path).version,
                published=bool(changes.tables),
                events=changes.events,
                users=len(changes.users),
                new=len(changes.new),
                changed=len(changes.changed),
                expired=expired,
                waiting=changes.waiting,
                photos_waiting=changes.photos_waiting,
                seconds=time.time() - started,
                problems=[*changes.problems, *map(str, changes.issues)],
                unread=len(changes.problems),
                rejected=len(rejected),
                wrote=wrote,
            )

    def _take_in(
        self, state: RefreshState, polls: dict[str, Poll], changes: Changes, now: float
    ) -> tuple[int, list[str]]:
        """Merge the polled rows, publish the changes, and update `state`; `now` is in seconds since 1970.

        Returns:
            The number of listings that expired, and the written files of the market's folder.
        """
        expired, wrote, run = 0, list[str](), Run.open(self.path)
        update_market_folder(run, state.replaced)
        if not len(run.listing_ids) or run.market.listings[C.LISTING].tolist() != run.listing_ids:
            raise changed_market(run)
        config = pinned_config(run.market)
        frames = {name: poll.frames for name, poll in polls.items() if poll.frames}
        if "listings" in frames:
            marks = state.earlier.get("listings", {}).get(self.sources["listings"].place, {})
            merged = frozenset(f.key for f in frames["listings"] if marks.get(f.key) == f.mark)
            merge_listings(run.market, config, frames["listings"], changes, merged)
        if "photos" in polls:
            state.failing = merge_photos(
                run.market, polls["photos"].frames, state.failing, self._limits, now, changes
            )
        if "events" in frames:
            merge_events(run.market, config, frames["events"], changes)
        if changes.tables:
            was_active = run.catalogue.live(run.after_last_event)
            encode = partial(self._encode, run) if changes.new or changes.encoded else None
            with next_version(run, run.market, config, state, changes.tables, encode):
                self.tick()
            published = Run.open(self.path)
            is_active = published.catalogue.live(published.after_last_event)
            wrote = update_market_folder(published, state.replaced)
            expired = int((was_active & ~is_active[: len(was_active)]).sum())
            sweep(self.path)
        for name, poll in polls.items():
            taken = {frame.key: frame.mark for table, frame in changes.taken if table == name}
            state.marks.setdefault(name, {})[self.sources[name].place] = poll.marks | taken
        return expired, wrote

    def _encode(self, run: Run, market: Market) -> Run:
        """Return the run over its next market; the model encodes only new listings."""
        photos, engine, available = self._photo_vectors(run, market), None, {}
        if run.has_model:
            engine = Engine.load(run.folder, market, run.manifest.settings, photos)
            available = stored_vectors(run.folder, run.folder, engine)
        self.tick()
        attributes = AttributeSpace.of(market, run.manifest.attribute_weights) if market.attributes else None
        spaces = spaces_of(market, photos, engine, self._progress, available, False, attributes)
        for space in set(run.spaces) - set(spaces):  # such as "photos" if no photo can be read any more
            vectors = np.zeros((len(market.listings), run.stored_vectors(space).shape[1]), np.float32)
            vectors[: len(run.listing_ids)] = run.stored_vectors(space)
            spaces[space] = vectors
        spaces = {name: spaces[name] for name in (*run.spaces, *spaces)}
        self.tick()
        return Run(market, run.manifest, spaces, engine, photo_center=photo_center(photos))

    def _photo_vectors(self, run: Run, market: Market) -> PhotoVectors | None:
        """Return the vectors of all photos by the run's encoder, which embeds only new ones; None if there are no photos."""
        name = run.manifest.photo_encoder
        if not name or not len(market.photos):
            return None
        result = load_photo_vectors(market.path, market.photos, name)
        if result is not None and all(reason != NOT_EMBEDDED for _, reason in result.broken):
            return result
        from listing_vibes.features.photos.encoders import market_photos

        return market_photos(market, name, trained_weights(run.folder, name), self._progress)

    def _progress(self, update: Update) -> None:
        self.tick()
        self._report(update)


#: File that a loop locks while it runs and whose modification time it updates every few seconds.
REFRESHING = ".refreshing"
#: Seconds between two heartbeats; seconds to wait for another writer.
ALIVE_S, WAIT_S = 2.0, 300.0


def keep_fresh(
    path: Path,
    sources: Mapping[str, Source],
    every: float | None,
    stop: threading.Event,
    limits: Limits | None = None,
    report: Report = silent,
) -> Iterator[RefreshResult | VibesError]:
    """Poll the sources every `every` seconds (None: once) until `stop` is set, which also cancels a running refresh.

    Yields the result or the error of each refresh. An error of the first one is raised; after a later one the refresh is retried
    at the next poll. The run is locked only during a refresh, so that `vibes forget` and `vibes embed` need not wait for the loop
    to end.

    Raises:
        VibesError: the run cannot be refreshed, or the first refresh failed.
    """

    def tick() -> None:
        if stop.is_set():
            raise RefreshCanceled
        with suppress(OSError):
            os.utime(path / REFRESHING)

    refresher = Refresher(path, sources, tick, limits, report)
    is_first = True
    with only_writer(path, "vibes refresh", name=REFRESHING), suppress(RefreshCanceled):  # one loop per run
        while True:
            started = time.monotonic()
            try:
                tick()
                result: RefreshResult | VibesError = refresher.refresh(0.0 if is_first else WAIT_S)
            except VibesError as error:
                if is_first:
                    raise
                result = error
            yield result
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
