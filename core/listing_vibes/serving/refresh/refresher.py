"""Refreshes of a run: poll the sources, merge their rows, encode new listings, and publish a version; once, or at an interval."""

import gc
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import AttributeSpace
from listing_vibes.features.photos.trainable import trained_weights
from listing_vibes.features.photos.vectors import NOT_EMBEDDED, PhotoVectors, load_photo_vectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.durable import only_writer, sweep_left
from listing_vibes.market.market import Market
from listing_vibes.run.engine import Engine, load_prepared, save_prepared
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import ABOUT, CENTER, MODEL, save_spaces, spaces_of, stored_vectors
from listing_vibes.run.versions import building, publish, stamp_of, sweep
from listing_vibes.serving.refresh.market_tables import (
    changed_market,
    keep_unread_cells,
    pinned_config,
    raw_table,
    replaceable,
    typed_events,
    typed_photos,
    update_market_folder,
    write_tables,
)
from listing_vibes.serving.refresh.merge import Changes, merge_events, merge_listings, merge_photos
from listing_vibes.serving.refresh.photos import new_photos
from listing_vibes.serving.refresh.sources import Poll, Source
from listing_vibes.serving.refresh.state import RefreshState
from listing_vibes.words import count

#: Tables in the order of reading: a listing is written before its first event, so events are read first.
ORDER = ("events", "photos", "listings")


class Stopped(Exception):
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
    published: bool = False
    events: int = 0
    users: int = 0
    new: int = 0
    changed: int = 0
    expired: int = 0
    waiting: int = 0
    photos_waiting: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    unread: int = 0
    rejected: int = 0
    wrote: list[str] = field(default_factory=list)


class Refresher:
    """Refreshes one run. It holds no state of the run between two refreshes, so other commands may publish one in between.

    Args:
        tick: called regularly during a refresh; may raise `Stopped`.
        limits: limits for fetching new photos by URL; None: they are not fetched.
    """

    def __init__(
        self,
        path: Path,
        sources: Mapping[str, Source],
        tick: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        self.path, self.sources, self.tick = path, dict(sources), tick
        self._limits, self._is_first = limits, True

    def refresh(self, wait: float = 0.0) -> RefreshResult:
        """Merge new rows and publish the new state.

        Args:
            wait: seconds to wait for another writer of the run.

        Raises:
            VibesError: a source cannot be read, a disk is full, the market's tables were changed by something else, or another command
                writes the run.
            Stopped: by `tick`.
        """
        with only_writer(self.path, "vibes refresh", wait=wait):
            started = time.time()
            sweep_left(self.path)  # files of a killed refresh
            state, polls = RefreshState.load(self.path), dict[str, Poll]()
            for name in ORDER:
                if (source := self.sources.get(name)) is not None:
                    polls[name] = source.poll(state.marks.get(name, {}).get(source.place, {}))
                    self.tick()
            result = RefreshResult(stamp_of(self.path).version)
            result.problems = [problem for poll in polls.values() for problem in poll.problems]
            result.unread = len(result.problems)
            if self._is_first or any(poll.frames for poll in polls.values()):
                self._take_in(state, polls, result, started)
                self._is_first = False
            state.save(self.path)
            result.seconds = time.time() - started
            return result

    def _take_in(
        self, state: RefreshState, polls: dict[str, Poll], result: RefreshResult, now: float
    ) -> None:
        """Merge the polled rows, publish the changes, and update `state`; `now` is in seconds since 1970."""
        run = Run.open(self.path)
        update_market_folder(run, state.replaced)
        if not len(run.listing_ids) or run.market.listings[C.LISTING].tolist() != run.listing_ids:
            raise changed_market(run)
        config = pinned_config(run.market)
        changes = self._merge(run.market, config, state, polls, now)
        result.waiting, result.photos_waiting = changes.waiting, changes.photos_waiting
        result.problems += changes.problems
        result.unread = len(result.problems)
        result.problems += [str(issue) for issue in changes.issues]
        result.rejected = len({(issue.file, row) for issue in changes.issues for row in issue.rows.tolist()})
        if changes.tables:
            state.replaced = replaceable(run, state.replaced)
            state.save(self.path)  # saved before the publication, and before the tables become Parquet
            was_active = run.catalogue.live(run.after_last_event)
            self._publish(run, config, changes)
            published = Run.open(self.path)
            is_active = published.catalogue.live(published.after_last_event)
            result.wrote = update_market_folder(published, state.replaced)
            result.published, result.version = True, published.version
            result.events, result.users = changes.events, len(changes.users)
            result.new, result.changed = len(changes.new), len(changes.changed)
            result.expired = int((was_active & ~is_active[: len(was_active)]).sum())
            sweep(self.path)
        for name, poll in polls.items():
            taken = {frame.key: frame.mark for table, frame in changes.taken if table == name}
            state.marks.setdefault(name, {})[self.sources[name].place] = poll.marks | taken

    def _merge(
        self,
        market: Market,
        config: MarketConfig,
        state: RefreshState,
        polls: dict[str, Poll],
        now: float,
    ) -> Changes:
        frames = {name: polls[name].frames if name in polls else [] for name in ORDER}
        changes = Changes()
        if frames["listings"]:
            raw = raw_table(market, "listings")
            marks = state.earlier.get("listings", {}).get(self.sources["listings"].place, {})
            merged = frozenset(f.key for f in frames["listings"] if marks.get(f.key) == f.mark)
            unread = raw[[name for name in raw if name not in market.listings]]
            table = pd.concat([market.listings, unread], axis=1)
            merge_listings(table, market, config, frames["listings"], changes, merged)
            if "listings" in changes.tables:
                table = keep_unread_cells(changes.tables["listings"], raw, market.listings, config)
                changes.tables["listings"] = table
        ids = pd.Index([*market.listings[C.LISTING], *changes.new])
        if "photos" in polls:
            photos = frames["photos"]
            rows, state.failing = new_photos(market.path, photos, state.failing, self._limits, now, changes)
            merge_photos(typed_photos(market), ids, rows, changes)
        if frames["events"]:
            raw = raw_table(market, "events")
            table, timed = typed_events(market, raw), market.timed if len(raw) else None
            merge_events(table, timed, config, ids, frames["events"], changes)
            if "events" in changes.tables:
                changes.tables["events"] = keep_unread_cells(changes.tables["events"], raw, table, config)
        return changes

    def _publish(self, run: Run, config: MarketConfig, changes: Changes) -> None:
        """Publish the run's next state: the changed tables, and the vectors of all listings."""
        with building(self.path) as built:
            write_tables(built / "market", run.market, config, changes.tables)
            market = Market.open(run.market.path, tables=built / "market")
            self.tick()
            is_same = not (changes.new or changes.changed)
            copy_run(run, built, market, vectors=is_same)
            if not is_same:
                self._encode(run, built, market)
            manifest_over(run, market).save(built)
            self.tick()
            publish(self.path, built)

    def _encode(self, run: Run, built: Path, market: Market) -> None:
        """Write the vectors of all listings; the model encodes only new ones."""
        photos, engine, available = self._photo_vectors(run, market), None, {}
        if run.has_model:
            engine = Engine.load(run.folder, market, run.manifest.settings, photos)
            available = stored_vectors(run.folder, run.folder, engine)
            save_prepared(built, engine.features, market.fingerprint)
        self.tick()
        attributes = AttributeSpace.of(market, run.manifest.attribute_weights) if market.attributes else None
        spaces = spaces_of(market, photos, engine, lambda _: self.tick(), available, False, attributes)
        for space in set(run.spaces) - set(spaces):  # such as "photos" if no photo can be read any more
            vectors = np.zeros((len(market.listings), run.stored(space).shape[1]), np.float32)
            vectors[: len(run.listing_ids)] = run.stored(space)
            spaces[space] = vectors
        save_spaces(built, market, {name: spaces[name] for name in (*run.spaces, *spaces)}, photos)

    def _photo_vectors(self, run: Run, market: Market) -> PhotoVectors | None:
        """Return the vectors of all photos by the run's encoder, which embeds only new ones; None if there are no photos."""
        name = run.manifest.photo_encoder
        if not name or not len(market.photos):
            return None
        result = load_photo_vectors(market.path, market.photos, name)
        if result is not None and all(reason != NOT_EMBEDDED for _, reason in result.broken):
            return result
        from listing_vibes.features.photos.encoders import market_photos

        return market_photos(market, name, trained_weights(run.folder, name), lambda _: self.tick())


def copy_run(run: Run, built: Path, market: Market, vectors: bool = True) -> None:
    """Copy the model of `run` into `built`, and its `vectors` for a state over `market` with the same content of its listings.

    Files of a run are replaced, never changed, so a link is as good as a copy.
    """
    for name in (*MODEL, *ABOUT, *(["listings.safetensors", CENTER] if vectors else [])):
        if (run.folder / name).is_file():
            try:
                os.link(run.folder / name, built / name)
            except OSError:
                shutil.copyfile(run.folder / name, built / name)
    features = load_prepared(run.folder, run.manifest.fingerprint) if vectors else None
    if features is not None:
        save_prepared(built, features, market.fingerprint)


def manifest_over(run: Run, market: Market) -> Manifest:
    """Return the manifest of `run` for the market's new state; a relative path to the market starts at the version's folder."""
    place = run.manifest.market
    if not Path(place).is_absolute() and run.folder == run.path:
        place = str(Path("..", "..", place))
    return run.manifest.model_copy(update={"market": place, "fingerprint": market.fingerprint})


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
