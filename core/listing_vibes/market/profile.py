"""The profile of a market: its content, missing values, issues and likely leaks."""

import os
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, escaped
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import Forbidding
from listing_vibes.market.listings_table import leaks_by_counts, leaks_by_name, leaks_by_text
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import photo_problem
from listing_vibes.market.photo_files import MISSING, OUTSIDE
from listing_vibes.market.precomputed_vectors import precomputed_vectors
from listing_vibes.market.splits import Catalogue, Split, make_split, returning
from listing_vibes.market.tables import Issue
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.words import count, percent, render_table

REPORTED = 200  # photos between two updates of progress
#: Columns of the text, and the most attributes in it.
WIDTH, MOST_ATTRIBUTES = 100, 20
MOST_PHOTOS = 20_000  # the most files to open, evenly spread; existence is checked for all


class Spread(Forbidding):
    """The distribution of a count."""

    median: float
    p90: float
    max: int

    @classmethod
    def of(cls, counts: np.ndarray) -> "Spread":
        """Return the distribution of counts (N,), N >= 1."""
        median, p90 = np.quantile(counts, [0.5, 0.9])
        return cls(median=float(median), p90=float(p90), max=int(counts.max()))


class AttributeProfile(Forbidding):
    """One attribute: its type, the share of listings without it, and its number of distinct values (members, locations)."""

    name: str
    kind: str
    label: str
    unit: str
    missing: float
    distinct: int


class EventsProfile(Forbidding):
    """The events; dates are ISO, None where events have only an order."""

    count: int
    users: int
    first: str | None
    last: str | None
    actions: list[str]
    per_user: Spread
    users_with_two: float  # share of users with two events or more
    returning: float  # share of the events after a user's first that are on an earlier listing of the user
    per_listing: Spread
    listings_without: float  # share of listings without any event
    repeated: int  # events with the user, listing and time of another
    unwanted: int  # events that say "not this"
    active_at_end: int | None  # listings active just after the last event; None without timestamps, as below
    on_inactive: float | None  # share of the events on a listing that was not active then


class SplitProfile(Forbidding):
    """The default split, and the shares of its test queries with cold listings or cold users."""

    protocol: str
    t1: str | None
    t2: str | None
    train_events: int
    valid_queries: int
    test_queries: int
    cold_listings: float | None  # None without test queries
    cold_users: float | None


class PhotosProfile(Forbidding):
    """The photo files."""

    count: int
    listings_with: float  # share of listings with a photo
    per_listing: Spread | None  # of the listings that have one
    opened: int  # files whose header was read
    missing: int
    outside: int  # files behind a link that leaves the market
    broken: int


class MarketProfile(Forbidding):
    """The result of `vibes check`; `to_dict` returns its JSON document."""

    name: str
    path: str
    fingerprint: str
    listings: int
    attributes: list[AttributeProfile]
    events: EventsProfile | None
    split: SplitProfile | None
    split_problem: str | None  # why there is no split
    photos: PhotosProfile
    title: str | None  # the title column
    excluded: list[str]  # excluded columns that are in the file
    notes: list[str]  # consequences for recommendations and metrics
    leaks: dict[str, str]  # attribute -> why it looks like a leak
    issues: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as plain JSON values."""
        return self.model_dump(mode="json")


def profile(market: Market, most_photos: int = MOST_PHOTOS, report: Report = silent) -> MarketProfile:
    """Profile a market; read the headers of at most `most_photos` photo files."""
    log = EventLog.from_market(market)
    events = _profile_events(market, log) if len(log) else None
    split = split_problem = None
    try:
        split = _profile_split(log, make_split(log, Catalogue(*market.live_interval())))
    except VibesError as error:
        split_problem = str(error)
    photos, photo_issues = _profile_photos(market, most_photos, report)
    issues = [*market.issues, *photo_issues, *_vector_issues(market)]
    if events is not None and events.repeated:
        message = "repeats user, listing and time of an earlier event; kept"
        issues.append(Issue(market.table_name("events"), "", 0, "", message, events.repeated))
    columns = market.raw_columns("listings")
    attributes = [
        AttributeProfile(
            name=item.name,
            kind=item.kind,
            label=item.label,
            unit=item.unit,
            missing=float(type_of(item.kind).missing(market.listings, item.name).mean()),
            distinct=type_of(item.kind).distinct(market.listings, item.name),
        )
        for item in market.attributes
    ]
    return MarketProfile(
        name=market.name,
        path=str(market.path),
        fingerprint=market.fingerprint,
        listings=len(market.listings),
        attributes=attributes,
        events=events,
        split=split,
        split_problem=split_problem,
        photos=photos,
        title=market.title,
        excluded=[name for name in market.config.excluded if name in columns],
        notes=_notes(market, events, split),
        leaks=_leaks(market, log),
        issues=[str(issue) for issue in issues],
    )


def _profile_events(market: Market, log: EventLog) -> EventsProfile:
    per_user, per_listing = np.diff(log.start), log.counts()
    keys = [C.USER, C.LISTING, C.TIMESTAMP if log.timed else C.POSITION]
    catalogue = Catalogue.of(market)
    return EventsProfile(
        count=len(log),
        users=len(log.users),
        first=_date(log.time.min()) if log.timed else None,
        last=_date(log.time.max()) if log.timed else None,
        actions=log.actions,
        per_user=Spread.of(per_user),
        users_with_two=float((per_user >= 2).mean()),
        returning=returning(log, np.ones(len(log), bool)),
        per_listing=Spread.of(per_listing),
        listings_without=float((per_listing == 0).mean()),
        repeated=int(market.events.duplicated(keys).sum()),
        unwanted=int((~log.is_positive).sum()),
        active_at_end=int(catalogue.live(int(log.time.max()) + 1).sum()) if log.timed else None,
        on_inactive=float((~catalogue.live(log.time, log.listing)).mean()) if log.timed else None,
    )


def _date(moment: int | None) -> str | None:
    return None if moment is None else pd.Timestamp(moment, unit="ns").date().isoformat()


def _profile_split(log: EventLog, split: Split) -> SplitProfile:
    cold: list[float | None] = [None, None]
    if len(split.test):
        is_present = log.counts(split.train) > 0  # (L,)
        trained = np.bincount(log.user[split.train], minlength=len(log.users)) > 0  # (U,)
        cold = [float((~is_present[split.test.target]).mean()), float((~trained[split.test.user]).mean())]
    return SplitProfile(
        protocol=split.protocol,
        t1=_date(split.t1),
        t2=_date(split.t2),
        train_events=int(split.train.sum()),
        valid_queries=len(split.valid),
        test_queries=len(split.test),
        cold_listings=cold[0],
        cold_users=cold[1],
    )


def _profile_photos(market: Market, most: int, report: Report) -> tuple[PhotosProfile, list[Issue]]:
    paths = market.photos[C.PATH]
    distinct = paths.unique()
    opened = set(distinct[np.linspace(0, len(distinct) - 1, min(most, len(distinct))).astype(int)])
    problems = {}
    for number, name in enumerate(distinct):
        # `os.path` is twice as fast as Path, and there may be a million.
        if name in opened or not os.path.isfile(os.path.join(market.path, name)):
            problems[name] = photo_problem(name, market.path)
        if number % REPORTED == 0:
            report(Counted("photos", number, len(distinct)))
    reasons = paths.map(problems).dropna().astype("str")
    missing, outside = int(reasons.str.startswith(MISSING).sum()), int((reasons == OUTSIDE).sum())
    per_listing = market.photos.groupby(C.LISTING).size().to_numpy()
    photos = PhotosProfile(
        count=len(paths),
        listings_with=len(per_listing) / len(market.listings),
        per_listing=Spread.of(per_listing) if len(per_listing) else None,
        opened=len(opened),
        missing=missing,
        outside=outside,
        broken=len(reasons) - missing - outside,
    )
    source = market.table_name("photos")
    return photos, [
        Issue(source, C.PATH, 0, paths[rows.index[0]], f"{problem}; the photo is skipped", len(rows))
        for problem, rows in reasons.groupby(reasons, sort=False)
    ]


def _vector_issues(market: Market) -> list[Issue]:
    """Return issues of the vectors in market.toml, and how many listings have none."""
    issues = []
    for name in market.config.vectors:
        try:
            vectors = precomputed_vectors(market, name)
        except VibesError as error:
            issues.append(Issue("market.toml", f"vectors.{name}", 0, "", f"cannot be used: {error}"))
            continue
        without = 0 if vectors is None else int((~vectors.any(axis=1)).sum())
        if without:
            message = (
                f"has no vector of {count(without, 'listing')}; in that space they have no similar listings"
            )
            issues.append(Issue("market.toml", f"vectors.{name}", 0, "", message))
    return issues


def _notes(market: Market, events: EventsProfile | None, split: SplitProfile | None) -> list[str]:
    """Return consequences of the numbers for recommendations and metrics, one sentence each."""
    has_published, has_expires = (
        name in market.listings and market.listings[name].notna().any() for name in (C.PUBLISHED, C.EXPIRES)
    )
    notes = []
    if market.title is None:
        notes.append(
            'No title column was found, so listings are shown by their ids; set title = "..." in market.toml.'
        )
    if events is not None and events.unwanted:
        notes.append(f'{count(events.unwanted, "event")} say "not this" and count as negative.')
    if events is not None and events.returning >= 0.2:
        notes.append(
            "Many events are on listings that their user interacted with before, which recommendations exclude, and so do "
            "temporal tests."
        )
    if market.timed and not has_published:
        notes.append(
            "There is no published_at, so all listings count as active from the start, and tests rank listings that did not exist "
            "yet."
        )
    elif market.timed and not has_expires:
        notes.append("There is no expires_at, so no listing expires, and removed ones stay candidates.")
    if split is not None and not split.valid_queries:
        notes.append(
            "No query lies between T1 and T2, so training cannot choose its best weights; give more precise times, or train with "
            "--protocol leave-one-out."
        )
    return notes


def _leaks(market: Market, log: EventLog) -> dict[str, str]:
    amounts = [a.name for a in market.attributes if type_of(a.kind).amount]
    words = [a.name for a in market.attributes if type_of(a.kind).written]
    # A measured leak says more than a name, so it comes last and wins.
    return {
        **dict.fromkeys(leaks_by_name([a.name for a in market.attributes]), "has the name of a value that is known only later"),
        **dict.fromkeys(leaks_by_text(market.listings[words]), "has ratings or numbers of reviews in its text"),
        **dict.fromkeys(leaks_by_counts(market.listings[amounts], log.counts()), "predicts how many events a listing has"),
    }  # fmt: skip


def render(profile: MarketProfile) -> str:
    """Return plain text of at most 100 columns; sentences are wrapped."""
    lines = [f"{profile.name} ({profile.path})"]
    for label, text in _rows(profile):
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=f"{label:<13}", subsequent_indent=" " * 13, max_lines=4, placeholder=" ..."
        )  # fmt: skip
    shown = profile.attributes[:MOST_ATTRIBUTES]
    if shown:
        table = pd.DataFrame(
            {
                "attribute": [item.name[:40] for item in shown],
                "type": [item.kind for item in shown],
                "missing": [_percent(item.missing) for item in shown],
                "distinct": [f"{item.distinct:,}" for item in shown],
                "label": [item.label + (f" ({item.unit})" if item.unit else "") for item in shown],
            }
        )
        lines += ["", *(line[:WIDTH] for line in render_table(table).splitlines())]
    if len(profile.attributes) > MOST_ATTRIBUTES:
        lines.append(f"and {len(profile.attributes) - MOST_ATTRIBUTES} more")
    leaks = [f"{name} {why}; exclude it in market.toml if so" for name, why in profile.leaks.items()]
    for label, sentences in {"notes": profile.notes, "leaks": leaks, "issues": profile.issues}.items():
        lines.append(f"{label:<13}{len(sentences) or 'none'}")
        for sentence in sentences:
            lines += textwrap.wrap(
                sentence, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
            )
    return "\n".join(map(escaped, lines))


def _rows(profile: MarketProfile) -> Iterator[tuple[str, str]]:
    """Yield the labeled lines above the attributes."""
    events, split, photos, excluded = profile.events, profile.split, profile.photos, profile.excluded
    yield "listings", f"{profile.listings:,}"
    if events is None:
        yield "events", "none"
    else:
        span = f"{events.first} to {events.last}" if events.first else "in order, without times"
        actions = f"; actions: {', '.join(events.actions)}" if events.actions else ""
        yield "events", f"{events.count:,} of {count(events.users, 'user')}, {span}{actions}"
        yield "per user", f"{_spread(events.per_user)}; {_percent(events.users_with_two)} have two or more"
        yield "per listing", f"{_spread(events.per_listing)}; {_percent(events.listings_without)} have none"
        if events.active_at_end is not None and events.on_inactive is not None:
            outside = f"{_percent(events.on_inactive)} of the events on listings that were not active"
            yield (
                "active",
                f"{events.active_at_end:,} of {profile.listings:,} after the last event; {outside}",
            )
    if split is None:
        yield "split", profile.split_problem or "none"
    else:
        when = f", T1 {split.t1}, T2 {split.t2}" if split.t1 else ""
        queries = f"{split.valid_queries:,} + {count(split.test_queries, 'query', 'queries')}"
        yield "split", f"{split.protocol}{when}: {count(split.train_events, 'training event')}, {queries}"
        if split.cold_listings is not None and split.cold_users is not None:
            cold = f"{_percent(split.cold_listings)} on cold listings, {_percent(split.cold_users)} by cold users"
            yield "cold", f"test queries {cold}"
    if photos.per_listing is None:
        yield "photos", "none"
    else:
        shares = f"{_percent(photos.listings_with)} of the listings have one: {_spread(photos.per_listing)}"
        unread = (
            f"{photos.missing:,} missing, {photos.outside:,} outside of the market, {photos.broken:,} broken"
        )
        yield "photos", f"{photos.count:,}; {shares}; {unread} (of {photos.opened:,} opened)"
    yield "titles", "none" if profile.title is None else f"column {profile.title}"
    yield "excluded", f"{count(len(excluded), 'column')}: {', '.join(excluded)}" if excluded else "none"


def _percent(share: float) -> str:
    """Return a percentage; only exact shares are shown as 0 and 100 %."""
    return percent(share, unit=" %", bounds=("< ", "> "))


def _spread(spread: Spread) -> str:
    return f"median {spread.median:g}, 90 % at most {spread.p90:g}, most {spread.max:,}"
