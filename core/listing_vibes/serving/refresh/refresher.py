"""One look at the sources: take in what is new, encode it, publish the next generation of the run."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.market import Market
from listing_vibes.run.contents import REFRESH
from listing_vibes.run.folder import PUSHES
from listing_vibes.run.generations import building, publish, stamp_of, sweep
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.prepared import save_prepared
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import ABOUT, CENTER, MODEL, save_spaces
from listing_vibes.serving.batch.job import fingerprint_of
from listing_vibes.serving.refresh.changes import Changes, merge_listings, merge_photos, new_events
from listing_vibes.serving.refresh.encode import Bench, Counts
from listing_vibes.serving.refresh.market_folder import MarketFolder, Written
from listing_vibes.serving.refresh.photos import due_at_once, named, new_photos
from listing_vibes.serving.refresh.pushes import as_table, renewed
from listing_vibes.serving.refresh.rejected import keep_rejected
from listing_vibes.serving.refresh.sources import Frame, News, Source, advanced
from listing_vibes.serving.refresh.tables import (
    day_first,
    pinned,
    raw_table,
    whole_events,
    whole_listings,
    whole_photos,
    with_unread,
    write_tables,
)
from listing_vibes.serving.refresh.waiting import (
    Waiting,
    load_pending,
    load_waiting,
    save_pending,
    save_waiting,
)

#: In the order in which sources are read: a listing is written before the first event on it, so events are read first.
ORDER = ("events", "photos", "listings")


class Stopped(Exception):
    """The refresh was asked to stop; nothing of this look is published."""


@dataclass
class Look:
    """What a look at the sources brought.

    Attributes:
        generation: the run's, after it; published: whether this look made it.
        expired: how many listings were live before and are not now.
        waiting: events on listings that are not there yet, or of the future.
        photos_waiting: photos that could not be read or fetched and are tried again.
        lag_s: from the arrival of the oldest row (a file's time; in a database at most the time since the last look)
            until readers could see it; None where nothing was published.
        problems: what could not be used or was not taken as it came, a sentence each.
        unread: how many of these are files and queries that could not be used at all.
        rejected: rows that were left out, or taken without one of their cells; `rejected.csv` in the run has them.
        wrote: files of the market that hold the new rows now, each with the name of the file that it replaced.
        new_rows: where the next rows go, by table: not into these files, but where the refresh reads.
    """

    generation: int
    published: bool = False
    events: int = 0
    users: int = 0
    new: int = 0
    changed: int = 0
    expired: int = 0
    waiting: int = 0
    photos_waiting: int = 0
    encoded: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    lag_s: float | None = None
    problems: list[str] = field(default_factory=list)
    unread: int = 0
    rejected: int = 0
    wrote: Written = field(default_factory=dict)
    new_rows: dict[str, str] = field(default_factory=dict)


class Refresher:
    """Keeps one run fresh; hold `durable.only_writer` around it.

    Args:
        sources: by `events`, `listings`, `photos`.
        k: recommendations a user with new events.
        beside: what is added to the model for these, see `Run.recommend`; None: nothing.
        limits: within which new photos are fetched by their addresses; None: they are not.
        tick: called between pieces of work; may raise `Stopped`.

    Raises:
        VibesError: the market was changed by somebody else, or the run cannot be refreshed.
    """

    def __init__(
        self,
        path: Path,
        sources: Mapping[str, Source],
        k: int = K,
        tick: Callable[[], None] = lambda: None,
        beside: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.path, self.sources, self.k, self.tick, self.beside = path, dict(sources), k, tick, beside
        self._limits = limits
        self.run = Run.open(path)
        if beside is not None:
            self.run.additions(beside)  # says now where nothing was fitted
        if (
            not len(self.run.listing_ids)
            or self.run.market.listings[C.LISTING].tolist() != self.run.listing_ids
        ):
            raise _changed(self.run)
        self._stamp = stamp_of(path)
        self._bench: Bench | None = None
        self._state, self._waiting = self._kept()
        self._folder = MarketFolder(self.run, self._state.get("replaced", {}))

    @property
    def is_outdated(self) -> bool:
        """Whether another command has published a state of the run since.

        Raises:
            VibesError: the run's pointer is damaged.
        """
        return stamp_of(self.path) != self._stamp

    def look(self) -> Look:
        """Take in what is new and publish it.

        Raises:
            VibesError: a source cannot be asked, a disk is full, or the run was made anew by somebody else.
            Stopped: by `tick`.
        """
        started = time.time()
        if self.is_outdated:
            raise VibesError(
                f"{self.path} was trained, embedded or refreshed by another command since; start this one again."
            )
        self._folder.check()
        try:
            return self._look(started)
        except BaseException:
            self._bench = None  # it may be ahead of what is published
            raise

    def warm(self) -> None:
        """Load now what the first publication would load, by encoding one listing for nothing."""
        if self._bench is None:
            self._bench = Bench(self.run, self.tick)
            self._bench.spaces(self.run.market, {self.run.listing_ids[0]})

    def _look(self, started: float) -> Look:
        news = {name: self.sources[name].look(self._of(name)) for name in ORDER if name in self.sources}
        self.tick()
        market, config = self.run.market, pinned(self.run.market)
        changes = self._changes(market, config, news)
        unread = [p for found in news.values() for p in found.problems] + changes.problems
        problems = unread + [str(defect) for _, defect in changes.defects]
        state = {
            **self._state,
            "sources": self._advanced(news, changes),
            "day_first": changes.day_first,
        }
        look = Look(self.run.generation, problems=problems, unread=len(unread))
        look.new_rows = {name: source.place_name for name, source in self.sources.items()}
        look.waiting, look.photos_waiting = (len(changes.waiting[name]) for name in ("events", "photos"))
        look.rejected = keep_rejected(self.path, changes.defects, market.names)
        if changes.any or self._have_come_to_wait(changes):
            self._publish(changes, config, state, look)
            look.published, look.generation = True, self.run.generation
            look.lag_s = time.time() - min([started, *(frame.arrived for _, frame in changes.taken)])
        else:
            self._keep(changes, state)
            self._state, self._waiting = state, changes.waiting
        look.seconds = time.time() - started
        return look

    def _have_come_to_wait(self, changes: Changes) -> bool:
        """Whether a file had events that wait, which may be gone when the next command looks: a state keeps them."""
        waits, before = changes.waiting["events"], self._waiting["events"]
        return (
            _read_files(changes, "events")
            and len(waits) > 0
            and not waits.astype("str").equals(before.astype("str"))
        )

    def _keep(self, changes: Changes, state: dict[str, Any]) -> None:
        """Have the next command know of photos that this look tried in vain or gave up, though nothing is published."""
        waits = changes.waiting["photos"]
        if _read_files(changes, "photos") or named(waits) != named(self._waiting["photos"]):
            save_pending(self.path, self._stamp, state["sources"].get("photos", {}), waits)

    def _of(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._state.get("sources", {}).get(name, {})
        return found

    def _known(self, name: str, frame: Frame) -> Frame:
        """`frame` with the word that its files, as they are, were read before the run was embedded anew."""
        files, read = frame.mark.get("files", {}), self._state.get("read", {}).get(name, {}).get("files", {})
        return replace(
            frame, again=bool(files) and all(read.get(file) == mark for file, mark in files.items())
        )

    def _advanced(self, news: Mapping[str, News], changes: Changes) -> dict[str, Any]:
        sources = dict(self._state.get("sources", {}))
        for name, found in news.items():
            marks = [frame.mark for table, frame in changes.taken if table == name]
            sources[name] = advanced(found.state, marks)
        return sources

    def _changes(self, market: Market, config: MarketConfig, news: Mapping[str, News]) -> Changes:
        # Tables that a refresh has written do not tell any more how dates stood in them.
        changes = Changes(day_first=dict(self._state.get("day_first", {})))
        frames = {name: [self._known(name, frame) for frame in found.frames] for name, found in news.items()}
        if frames.get("listings"):
            raw = raw_table(market, "listings")
            changes.day_first = day_first(raw) | changes.day_first
            table = whole_listings(market, raw)
            merged = merge_listings(table, market, config, frames["listings"], changes)
            if changes.new or changes.changed or changes.touched:
                changes.listings = with_unread(merged, "listings", market.listings, raw, market, config)
        known = pd.Index(market.listings[C.LISTING]).append(pd.Index(changes.new))
        if frames.get("photos") or len(self._waiting["photos"]):
            changes.photos = self._photos(market, known, frames.get("photos", []), changes)
        if frames.get("events") or len(self._waiting["events"]):
            raw = raw_table(market, "events")
            changes.day_first = day_first(raw) | changes.day_first
            have = whole_events(market, raw)
            new_events(
                have,
                market.timed if len(market.events) else None,
                config,
                known,
                frames.get("events", []),
                self._waiting["events"],
                pd.Timestamp.now("UTC"),
                changes,
            )
            if changes.events is not None:
                changes.events = with_unread(changes.events, "events", have, raw, market, config)
        return changes

    def _photos(
        self, market: Market, known: pd.Index, frames: Sequence[Frame], changes: Changes
    ) -> pd.DataFrame | None:
        rows = new_photos(market.path, frames, self._waiting["photos"], self._limits, time.time(), changes)
        table = whole_photos(market)
        merged = merge_photos(table, known, rows, changes)
        return merged if len(merged) > len(table) else None  # what has no listing yet is kept for it

    def _publish(self, changes: Changes, config: MarketConfig, state: dict[str, Any], look: Look) -> None:
        before, was = self.run, self.run.catalogue.live(self.run.after_last_event)
        if self._bench is None:
            self._bench = Bench(before, self.tick)
        bench = self._bench
        bench.counts = look.encoded
        with building(self.path) as built:
            write_tables(
                built / "market", before.market, config, changes.listings, changes.photos, changes.events
            )
            market = Market.open(before.market.path, tables=built / "market")
            self.tick()
            content = changes.changed | set(changes.new)
            spaces = bench.spaces(market, content)
            save_spaces(built, market, spaces)
            manifest = manifest_over(before, market)
            if bench.engine is not None:
                link_model(before.folder, built)
                save_prepared(built, bench.engine.features, market.fingerprint)
            run = Run(built, manifest, market, fits_in=self.path)
            if bench.engine is not None:
                users = market.names.shown(pd.Series(changes.users, dtype="str")).tolist()
                name = f"{self.path.resolve().name}-{fingerprint_of(built, market.fingerprint)[:8]}"
                run.engine = bench.engine
                pushes = renewed(before.pushes, run, users, self.k, name, self.beside)
                look.encoded.histories += len(users)
                pq.write_table(as_table(pushes, market.timed), built / PUSHES, compression="zstd")
            state["replaced"] = self._folder.digests
            write_json(built / REFRESH, state)
            save_waiting(built, changes.waiting)
            manifest.save(built)
            self.tick()
            self._stamp = publish(self.path, built)
        self.run = Run.open(self.path)
        self.run.market  # noqa: B018 (read now, from the tables that were just written)
        bench.run = self.run
        self._state, self._waiting = state, changes.waiting
        self._folder.extend(self.run)
        look.wrote = self._folder.written
        sweep(self.path)
        look.events, look.users = changes.fresh, len(changes.users)
        look.new, look.changed = len(changes.new), len(changes.changed)
        now = self.run.catalogue.live(self.run.after_last_event)
        look.expired = int((was & ~now[: len(was)]).sum())

    def _kept(self) -> tuple[dict[str, Any], Waiting]:
        """The state that the current generation was published with, and what waited then; of photos, since the last look."""
        state: dict[str, Any] = (
            read_json(self.run.folder / REFRESH, f"embed {self.path} again, and refresh it") or {}
        )
        waiting = load_waiting(self.run.folder)
        if (pending := load_pending(self.path, self._stamp)) is not None:
            state = {**state, "sources": state.get("sources", {}) | {"photos": pending[0]}}
            waiting["photos"] = pending[1]
        return state, {**waiting, "photos": due_at_once(waiting["photos"])}


def _read_files(changes: Changes, name: str) -> bool:
    """Whether rows of a table were taken from files, which may be gone later; a query would tell them again."""
    return any(table == name and frame.mark.get("files") for table, frame in changes.taken)


def manifest_over(run: Run, market: Market) -> Manifest:
    """That of `run` over the market's new state; a relative path to the market starts at the generation's folder."""
    place = run.manifest.market
    if not Path(place).is_absolute() and run.folder == run.path:
        place = str(Path("..", "..", place))
    return run.manifest.model_copy(update={"market": place, "fingerprint": market.fingerprint})


def link_model(before: Path, built: Path) -> None:
    """The same files of a model in another folder; files of a run are only ever replaced, never changed."""
    for name in (*MODEL, *ABOUT, CENTER):
        if (before / name).is_file():
            try:
                os.link(before / name, built / name)
            except OSError:
                shutil.copyfile(before / name, built / name)


def _changed(run: Run) -> VibesError:
    market = run.market.path
    return VibesError(
        f"The tables of {market} are not those that {run.path} was embedded from; bring the run up to date first with "
        f"`vibes embed {market} {run.path} --model {run.path}`."
    )
