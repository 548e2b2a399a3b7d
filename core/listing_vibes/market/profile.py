"""The profile of a market: what it holds, how much of it is missing, what looks wrong or like a leak."""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL
from pydantic import BaseModel, ConfigDict

from listing_vibes.errors import VibesError
from listing_vibes.market import photo_check
from listing_vibes.market.column_names import market_columns
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.defects import Defect
from listing_vibes.market.io import find_table
from listing_vibes.market.kept import content, kept, stamp
from listing_vibes.market.kept_listings import READERS
from listing_vibes.market.kinds import kind_of
from listing_vibes.market.leaks import leaks_by_counts, leaks_by_name, leaks_by_text
from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.photo_check import MISSING, OUTSIDE, photo_problem
from listing_vibes.market.photo_folders import PhotoFolders
from listing_vibes.market.photo_urls import FETCHED
from listing_vibes.market.splits import Catalogue, make_split, returning

MOST_PHOTOS = 20_000  # so many files are opened at most, evenly spread; all are looked up


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Part):
    """How a count is distributed."""

    median: float
    p90: float
    max: int

    @classmethod
    def of(cls, counts: np.ndarray) -> "Spread":
        """The spread of counts (N,), at least one."""
        middle, high = np.quantile(counts, [0.5, 0.9])
        return cls(median=float(middle), p90=float(high), max=int(counts.max()))


class AttributeProfile(_Part):
    """One attribute: what it is, the share of listings without it, and how many values (members, places) it has."""

    name: str
    kind: str
    label: str
    unit: str
    missing: float
    distinct: int
    decimal: str  # "," where a comma parts the decimals of the numbers in the table


class EventsProfile(_Part):
    """The events; dates are ISO, None where events carry only an order."""

    count: int
    users: int
    first: str | None
    last: str | None
    actions: list[str]
    per_user: Spread
    busiest: str  # the user with the most events
    users_with_two: float  # share of users with two events or more
    returning: float  # share of the events after a user's first that go back to a listing of theirs
    per_listing: Spread
    listings_without: float  # share of listings without any event
    repeated: int  # events that repeat user, listing and time of another
    unwanted: int  # events that say "not this"
    unwanted_actions: list[str]  # by which of the actions


class SplitProfile(_Part):
    """The default split, and the shares of its test queries that training knows nothing about."""

    protocol: str
    t1: str | None
    t2: str | None
    train_events: int
    valid_queries: int
    test_queries: int
    at_once: bool  # no user has events at two moments
    apart: float | None  # days between two moments, at least; None where fewer are known
    cold_listings: float | None  # None without test queries
    cold_users: float | None


class LiveProfile(_Part):
    """When listings are live, in a market whose events have timestamps."""

    published: bool  # any listing says since when
    expires: bool  # any listing says until when
    at_end: int  # listings live just after the last event
    all_touched: bool  # every listing has an event, as where the table was made of the log
    outside: float  # share of the events on a listing that was not live then


class PhotosProfile(_Part):
    """The photo files."""

    count: int
    listings_with: float  # share of listings with a photo
    per_listing: Spread | None  # of the listings that have one
    opened: int  # files of which the header was read
    missing: int
    outside: int  # files behind a link that leaves the market
    broken: int


class _Counted(_Part):
    """What of a profile rests on the tables alone."""

    attributes: list[AttributeProfile]
    events: EventsProfile | None
    live: LiveProfile | None  # None without timestamps
    split: SplitProfile | None
    split_problem: str | None  # why there is no split
    leaks: dict[str, str]  # attribute -> why it looks like a leak


class _Opened(_Part):
    """What was found in photo files."""

    problems: dict[str, str]  # by their paths


class MarketProfile(_Counted):
    """All that `vibes check` tells; `to_dict` is its JSON document."""

    name: str
    path: str
    fingerprint: str
    listings: int
    photos: PhotosProfile
    title: str | None  # the column that names listings
    named_by: list[str] = []  # where there is none, the attributes whose values do, by their labels
    excluded: list[str]  # excluded columns that are in the file
    defects: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The profile as plain JSON values."""
        return self.model_dump(mode="json")


def profile(market: Market, keep: bool = False) -> MarketProfile:
    """Count, measure and look for leaks and defects; reads the headers of the photo files.

    Args:
        keep: what rests on the tables alone, and what was found in photos, is kept in the market's cache, and read from there
            where neither they nor the photos' files have changed.
    """
    if keep:
        of = [
            market.fingerprint,
            len(market.events),
            *map(content, READERS),
        ]  # future events are not there yet
        counted = kept(market.path, "profile", of, _Counted, lambda: _counted(market))
    else:
        counted = _counted(market)
    photos, found = _photos(market, keep)
    events = counted.events
    defects = market.defects + found
    if events is not None and events.repeated:
        file = _file(market, "events")
        defects.append(
            Defect(
                file,
                "",
                0,
                "",
                "repeats user, listing and time of an earlier event; kept",
                events.repeated,
            )
        )
    source = find_table(market.tables, "listings")
    columns = market_columns(source, market.config) if source is not None else []
    return MarketProfile(
        name=market.name,
        path=str(market.path),
        fingerprint=market.fingerprint,
        listings=len(market.plain),
        photos=photos,
        title=market.title,
        named_by=[one.label for one in market.named_by],
        excluded=[name for name in market.config.excluded if name in columns],
        defects=[str(defect) for defect in defects],
        **{name: getattr(counted, name) for name in _Counted.model_fields},
    )


def _counted(market: Market) -> _Counted:
    log = EventLog.from_market(market)
    events = _events(market, log) if len(log) else None
    split, problem = _split(market, log)
    return _Counted(
        attributes=[_attribute(market, attribute) for attribute in market.attributes],
        events=events,
        live=_live(market, log) if events is not None and log.timed else None,
        split=split,
        split_problem=problem,
        leaks=_leaks(market, log),
    )


def _file(market: Market, table: str) -> str:
    source = find_table(market.tables, table)
    return source.name if source is not None else table


def _attribute(market: Market, attribute: Attribute) -> AttributeProfile:
    kind = kind_of(attribute.kind)
    return AttributeProfile(
        name=attribute.name,
        kind=attribute.kind,
        label=attribute.label,
        unit=attribute.unit,
        missing=float(kind.missing(market.listings, attribute.name).mean()),
        distinct=kind.distinct(market.listings, attribute.name),
        decimal=attribute.decimal,
    )


def _events(market: Market, log: EventLog) -> EventsProfile:
    per_user, per_listing = np.diff(log.start), log.counts()
    ends = (int(log.time.min()), int(log.time.max())) if log.timed else (None, None)
    keys = [C.USER, C.LISTING, C.TIMESTAMP if log.timed else C.POSITION]
    return EventsProfile(
        count=len(log),
        users=len(log.users),
        first=_date(ends[0]),
        last=_date(ends[1]),
        actions=log.actions,
        per_user=Spread.of(per_user),
        busiest=log.users[int(per_user.argmax())],
        users_with_two=float((per_user >= 2).mean()),
        returning=returning(log, np.ones(len(log), bool)),
        per_listing=Spread.of(per_listing),
        listings_without=float((per_listing == 0).mean()),
        repeated=int(market.events.duplicated(keys).sum()),
        unwanted=int((~log.wanted).sum()),
        unwanted_actions=[name for name in log.actions if name in log.unwanted],
    )


def _date(moment: int | None) -> str | None:
    return None if moment is None else pd.Timestamp(moment, unit="ns").date().isoformat()


def _live(market: Market, log: EventLog) -> LiveProfile:
    catalogue, said = Catalogue.of(market), market.listings
    return LiveProfile(
        published=C.PUBLISHED in said and bool(said[C.PUBLISHED].notna().any()),
        expires=C.EXPIRES in said and bool(said[C.EXPIRES].notna().any()),
        at_end=int(catalogue.live(int(log.time.max()) + 1).sum()),
        all_touched=len(np.unique(log.listing)) == log.listings,
        outside=float((~catalogue.live(log.time, log.listing)).mean()),
    )


def _split(market: Market, log: EventLog) -> tuple[SplitProfile | None, str | None]:
    try:
        split = make_split(log, Catalogue(*market.live_interval()))
    except VibesError as error:
        return None, str(error)
    cold: list[float | None] = [None, None]
    if len(split.test):
        known = log.counts(split.train) > 0  # (L,)
        trained = np.bincount(log.user[split.train], minlength=len(log.users)) > 0  # (U,)
        cold = [float((~known[split.test.target]).mean()), float((~trained[split.test.user]).mean())]
    return SplitProfile(
        protocol=split.protocol,
        t1=_date(split.t1),
        t2=_date(split.t2),
        train_events=int(split.train.sum()),
        valid_queries=len(split.valid),
        test_queries=len(split.test),
        apart=_apart(log),
        at_once=not (log.before > log.start[log.user]).any(),
        cold_listings=cold[0],
        cold_users=cold[1],
    ), None


def _apart(log: EventLog) -> float | None:
    moments = np.unique(log.time) if log.timed else log.time[:0]
    return float(np.diff(moments).min() / DAY) if len(moments) > 1 else None


def _photos(market: Market, keep: bool) -> tuple[PhotosProfile, list[Defect]]:
    times = market.photos[C.PATH].value_counts(sort=False)  # rows of a file, in the order of their first
    paths = times.index.tolist()
    chosen = np.linspace(0, len(paths) - 1, min(MOST_PHOTOS, len(paths))).astype(int)
    folders = PhotoFolders.of(market.path)
    opened = _opened(folders, [paths[row] for row in chosen], keep)
    problems: dict[str, list[str]] = defaultdict(list)
    for name in paths:
        # Twice as quick as by Path, and there may be a million.
        there = os.path.isfile(folders.file(name))
        if problem := opened.problems.get(name) if there else MISSING:
            problems[problem].append(name)

    def rows(names: list[str]) -> int:
        return int(times[names].sum())

    missing = rows(problems[MISSING])
    outside = rows(problems.get(OUTSIDE, []))
    broken = sum(map(rows, problems.values())) - missing - outside
    each = market.photos.groupby(C.LISTING).size().to_numpy()
    away = [name for name in problems[MISSING] if name.startswith(FETCHED)]
    if away:
        problems[MISSING] = [name for name in problems[MISSING] if not name.startswith(FETCHED)]
        problems[f"is not fetched yet (`vibes download {market.path}`)"] = away
    if outside:
        problems[f"{OUTSIDE} (name its folder as photo_root in market.toml)"] = problems.pop(OUTSIDE)
    defects = [
        Defect(_file(market, "photos"), C.PATH, 0, names[0], f"{what}; the photo is skipped", rows(names))
        for what, names in problems.items()
        if names
    ]
    return PhotosProfile(
        count=int(times.sum()),
        listings_with=len(each) / len(market.plain),
        per_listing=Spread.of(each) if len(each) else None,
        opened=len(chosen),
        missing=missing,
        outside=outside,
        broken=broken,
    ), defects


def _opened(folders: PhotoFolders, names: list[str], keep: bool) -> _Opened:
    """What is wrong with the photos `names`; none is opened again that is as it was, where that is kept."""

    def look() -> _Opened:
        found = ((name, photo_problem(name, folders)) for name in names)
        return _Opened(problems={name: problem for name, problem in found if problem})

    if not keep:
        return look()
    readers = content(Path(photo_check.__file__)), PIL.__version__
    stamps = [stamp(folders.file(name)) for name in names]
    return kept(folders.market, "opened-photos", [*readers, names, stamps], _Opened, look)


def _leaks(market: Market, log: EventLog) -> dict[str, str]:
    amounts = [a.name for a in market.attributes if kind_of(a.kind).amount]
    words = [a.name for a in market.attributes if kind_of(a.kind).written]
    # What was measured says more than a name: it comes last.
    found = dict.fromkeys(
        leaks_by_name([attribute.name for attribute in market.attributes]),
        "is named like what is known only later",
    )
    found |= dict.fromkeys(
        leaks_by_text(market.listings[words]), "tells ratings or numbers of reviews in its text"
    )
    found |= dict.fromkeys(
        leaks_by_counts(market.listings[amounts], log.counts()),
        "foretells how many events a listing has",
    )
    return found
