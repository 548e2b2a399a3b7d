"""What new rows change in a market: listings, photos and events that were not there, or were there otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.defects import Defect, Notes
from listing_vibes.market.market import Market
from listing_vibes.market.tables import as_ids, events_table, listings_table, require
from listing_vibes.serving.refresh.sources import Frame
from listing_vibes.serving.refresh.waiting import MOST_WAITING, Waiting, newest, nothing_waits

_NEVER = pd.Timestamp.max.tz_localize("UTC")


@dataclass
class Changes:
    """All that a look at the sources changes; a table is None where nothing of it does.

    Attributes:
        new, changed: listings that were not there, and those with another content than before (a value or a photo).
        touched: listings of which only `published_at`, `expires_at` or what the market does not read changed: nothing to encode.
        users: those with new events.
        fresh: how many events are new.
        waiting: events on listings that are not there, or of the future, and photos that could not be read or fetched; they
            are tried again at later looks.
        taken: the frames that could be read, with their table.
        problems: files and queries that could not be used, a sentence each.
        defects: what `vibes check` would name of the rows that were taken in, each with the frame that has it.
        day_first: by columns of moments, whether the day or the month comes first where the market's own rows tell.
    """

    listings: pd.DataFrame | None = None
    photos: pd.DataFrame | None = None
    events: pd.DataFrame | None = None
    new: list[str] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    users: list[str] = field(default_factory=list)
    fresh: int = 0
    waiting: Waiting = field(default_factory=nothing_waits)
    taken: list[tuple[str, Frame]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    defects: list[tuple[Frame, Defect]] = field(default_factory=list)
    day_first: dict[str, bool] = field(default_factory=dict)

    def note(self, frame: Frame, defects: Sequence[Defect]) -> None:
        """Keep the defects of a frame."""
        self.defects.extend((frame, defect) for defect in defects)

    @property
    def any(self) -> bool:
        """Whether there is something to publish."""
        return bool(self.new or self.changed or self.touched or self.fresh) or self.photos is not None


def merge_listings(
    table: pd.DataFrame, market: Market, config: MarketConfig, frames: Sequence[Frame], changes: Changes
) -> pd.DataFrame:
    """`table` with the listings of `frames`: known ones replaced in place, new ones behind; told in `changes`.

    A column that a frame lacks keeps its values in known listings and is missing in new ones; one that the table has and the
    market does not read, such as an excluded one, comes as it is; one that the table lacks is passed over, but for `published_at`
    and `expires_at`.
    """
    content = set(market.listings.columns) - {C.LISTING, C.PUBLISHED, C.EXPIRES}
    readable = (content | {C.LISTING, C.PUBLISHED, C.EXPIRES}) - set(config.excluded)
    beside = set(table.columns) - readable
    for frame in frames:
        if frame.rows.empty:
            changes.taken.append(("listings", frame))
            continue
        try:
            typed, defects = _typed_listings(frame, readable, beside, config, changes.day_first)
        except VibesError as error:
            changes.problems.append(str(error))
            continue
        changes.taken.append(("listings", frame))
        changes.note(frame, defects)
        if frame.again:
            typed = typed[~typed[C.LISTING].isin(market.listings[C.LISTING])]
        table = _upsert(table, typed, content, beside, changes)
    return table


def _typed_listings(
    frame: Frame, readable: set[str], beside: set[str], config: MarketConfig, day_first: Mapping[str, bool]
) -> tuple[pd.DataFrame, list[Defect]]:
    path = Path(frame.name)
    require(frame.rows, path, (C.LISTING,))
    notes = Notes(path.name)
    notes.unread(frame.rows, (*readable, *config.excluded))
    raw = frame.rows[[name for name in frame.rows.columns if name in readable]].reset_index(drop=True)
    ids = as_ids(raw[C.LISTING])
    named = (ids.notna() & (ids != "")).to_numpy(bool)
    notes.add(C.LISTING, ~named, raw[C.LISTING], "is empty; the row is skipped")
    places = np.flatnonzero(named & ~ids.duplicated(keep="last").to_numpy(bool))
    raw = raw.iloc[places]
    if not len(raw):
        return raw, notes.defects
    described = {name: s for name, s in config.attributes.items() if name in raw.columns}
    there = config.model_copy(update={"attributes": described, "title": None, "excluded": []})
    table, _, defects = listings_table(raw, path, there, day_first=day_first)
    more = {name: frame.rows[name].iloc[places].array for name in frame.rows.columns if name in beside}
    return table.assign(**more), notes.defects + [defect.within(places) for defect in defects]


def _upsert(
    table: pd.DataFrame, typed: pd.DataFrame, content: set[str], beside: set[str], changes: Changes
) -> pd.DataFrame:
    for name in (C.PUBLISHED, C.EXPIRES):
        if name in typed and name not in table:
            table = table.assign(**{name: pd.Series(pd.NaT, table.index, dtype=typed[name].dtype)})
    for name in beside & set(typed.columns):
        one, two = _in_one_type(table[name], typed[name])
        table, typed = table.assign(**{name: one}), typed.assign(**{name: two})
    place = pd.Index(table[C.LISTING]).get_indexer(typed[C.LISTING])
    known, into = np.flatnonzero(place >= 0), place[place >= 0]
    news = set(changes.new)
    if len(known):
        table = table.copy()
        for name in typed.columns.drop(C.LISTING):
            there, told = table[name].iloc[into], typed[name].iloc[known]
            as_words = name in beside and told.dtype == object
            other = _differs(as_ids(there), as_ids(told)) if as_words else _differs(there, told)
            if other.any():
                column = table[name].copy()
                column.iloc[into[other]] = told[other].array
                table[name] = column
                ids = set(table[C.LISTING].iloc[into[other]]) - news
                (changes.changed if name in content else changes.touched).update(ids)
    fresh = typed[place < 0]
    if len(fresh):
        table = pd.concat([table, fresh], ignore_index=True)
        changes.new.extend(fresh[C.LISTING])
    return table


def _in_one_type(one: pd.Series, two: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The cells of a column that nobody reads, and new ones for it, such as Parquet takes them one behind the other."""
    if one.dtype != object and one.dtype == two.dtype:
        return one, two
    if _counts(one.dtype) and (_counts(two.dtype) or two.dtype in (object, "str")):
        numbers = pd.to_numeric(two, errors="coerce")
        whole = [pd.api.types.is_integer_dtype(kind) for kind in (one.dtype, numbers.dtype)]
        # Of ids, which may be longer than a float is exact, a missing one would make floats.
        if numbers.notna().equals(two.notna()) and whole != [True, False]:
            kind = pd.concat([one, numbers], ignore_index=True).dtype if all(whole) else np.dtype("float64")
            if _counts(kind) and pd.api.types.is_integer_dtype(kind) == all(whole):
                return one.astype(kind), numbers.astype(kind)
    if one.dtype == two.dtype:
        with suppress(pa.ArrowException, TypeError):  # dates beside lists
            pa.array([*one, *two], from_pandas=True)
            return one, two
    return as_ids(one), as_ids(two)


def _counts(kind: Any) -> bool:
    """Whether a column of this type holds numbers; flags are none."""
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def _differs(one: pd.Series, two: pd.Series) -> np.ndarray:
    """(n,) bool: which cells differ; two missing ones do not."""
    missing = one.isna().to_numpy(bool), two.isna().to_numpy(bool)
    other = missing[0] != missing[1]
    there, sets = np.flatnonzero(~(missing[0] | missing[1])), one.dtype == object
    pairs = zip(one.array[there], two.array[there], strict=True)
    other[there] = [list(a) != list(b) if sets else a != b for a, b in pairs]
    return other


def merge_photos(table: pd.DataFrame, known: pd.Index, rows: pd.DataFrame, changes: Changes) -> pd.DataFrame:
    """`table` with the photos `rows` (listing_id, path) behind those that each listing has.

    Those of listings that are not there yet stand ready for them.
    """
    had = pd.MultiIndex.from_frame(table[[C.LISTING, C.PATH]])
    rows = rows[~pd.MultiIndex.from_frame(rows[[C.LISTING, C.PATH]]).isin(had)].drop_duplicates(
        [C.LISTING, C.PATH]
    )
    if not len(rows):
        return table
    if C.POSITION in table:
        last = table.groupby(C.LISTING)[C.POSITION].max()
        first = rows[C.LISTING].map(last).fillna(-1) + 1
        rows = rows.assign(**{C.POSITION: first + rows.groupby(C.LISTING).cumcount()})
    changes.changed.update(set(rows[C.LISTING][rows[C.LISTING].isin(known)]) - set(changes.new))
    kept = [name for name in table.columns if name in rows]
    whole = pd.concat([table, rows[kept]], ignore_index=True)
    if C.POSITION in whole:
        whole[C.POSITION] = whole[C.POSITION].astype("float64")
    return whole


def new_events(
    have: pd.DataFrame,
    timed: bool | None,
    config: MarketConfig,
    known: pd.Index,
    frames: Sequence[Frame],
    waiting: pd.DataFrame,
    now: pd.Timestamp,
    changes: Changes,
) -> None:
    """Finds the events of `frames` and of those `waiting` that are not there yet; sets them in `changes`.

    An event is there where one with the same user, listing, time, action and duration is.

    Args:
        have: all events of the market; timed: whether they have timestamps, None where there are none.
        known: ids of all listings, new ones included.
        now: later events wait.
    """
    told = [C.USER, C.LISTING, C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION]
    beside = [name for name in have.columns if name not in told]
    parts = [waiting] if len(waiting) else []
    for frame in frames:
        if len(frame.rows):
            if timed is None and parts:  # the first decides
                timed = C.TIMESTAMP in parts[0]
            try:
                typed, defects = _typed_events(frame, config, timed, beside, changes.day_first)
                parts.append(typed)
                changes.note(frame, defects)
            except VibesError as error:
                changes.problems.append(str(error))
                continue
        changes.taken.append(("events", frame))
    if not parts:
        return
    if len(have) and C.ACTION not in have:
        have, parts = _with_unwanted(have, parts, config.unwanted)
    columns = [name for name in told if any(name in part for part in ([have] if len(have) else parts))]
    found = pd.concat([part.reindex(columns=[*columns, *beside]) for part in parts], ignore_index=True)
    if len(have):
        found = found.astype({name: have[name].dtype for name in columns})
        one_type = {name: _in_one_type(have[name], found[name]) for name in beside}
        have = have.assign(**{name: one for name, (one, _) in one_type.items()})
        found = found.assign(**{name: two for name, (_, two) in one_type.items()})
    early = (found[C.TIMESTAMP] > now).to_numpy(bool) if C.TIMESTAMP in found else np.zeros(len(found), bool)
    waits = early | ~found[C.LISTING].isin(known).to_numpy(bool)
    waiting = found[waits].drop_duplicates(columns).reset_index(drop=True)
    changes.waiting["events"], lost = newest(waiting)
    if lost:
        changes.problems.append(
            f"More than {MOST_WAITING:,} events wait for their listing or their time; the {lost:,} that wait longest are "
            "given up. Deliver the listings first."
        )
    found = found[~waits]
    mine = have[columns][have[C.USER].isin(found[C.USER].unique())] if len(have) else found[columns].iloc[:0]
    known_already = (
        pd.concat([mine, found[columns]], ignore_index=True).duplicated(keep="first").to_numpy()[len(mine) :]
    )
    fresh = found[~known_already].reset_index(drop=True)
    if len(fresh):
        changes.events = pd.concat([have, fresh], ignore_index=True) if len(have) else fresh
        changes.fresh = len(fresh)
        changes.users = sorted(fresh[C.USER].unique())


def _with_unwanted(
    have: pd.DataFrame, parts: list[pd.DataFrame], unwanted: Sequence[str]
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """A market's events without actions, and new ones that may have some: what says "not this" is no interest in any market,
    so where some do they keep that, and no other action; else all stays as it is."""
    says = [part[C.ACTION].isin(unwanted) if C.ACTION in part else None for part in parts]
    if not any(one is not None and one.any() for one in says):
        return have, parts
    kept = [
        part if one is None else part.assign(**{C.ACTION: part[C.ACTION].where(one)})
        for part, one in zip(parts, says, strict=True)
    ]
    return have.assign(**{C.ACTION: pd.Series(None, have.index, dtype="str")}), kept


def _typed_events(
    frame: Frame,
    config: MarketConfig,
    timed: bool | None,
    beside: Sequence[str],
    day_first: Mapping[str, bool],
) -> tuple[pd.DataFrame, list[Defect]]:
    path = Path(frame.name)
    require(frame.rows, path, (C.USER, C.LISTING))
    if timed is not None and (C.TIMESTAMP in frame.rows) != timed:
        needed = C.TIMESTAMP if timed else C.POSITION
        raise VibesError(f"{frame.name} lacks the column '{needed}' that the market's events have; add it.")
    everything = pd.Index(as_ids(frame.rows[C.LISTING]).dropna().unique())
    beside = [name for name in beside if name in frame.rows]
    table, _, defects = events_table(
        frame.rows, path, everything, config, _NEVER, day_first=day_first, beside=beside
    )
    return table, defects
