"""Merge of new rows into the tables of a market, by listing and by event; the result is in `Changes`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.listings_table import listings_table
from listing_vibes.market.market import Market
from listing_vibes.market.moments import to_moments
from listing_vibes.market.tables import Issue, Notes, events_table, require
from listing_vibes.market.values import as_ids, to_numbers, with_points
from listing_vibes.serving.refresh.polls import Frame
from listing_vibes.serving.refresh.publication import raw_table

MOMENTS = (C.PUBLISHED, C.EXPIRES, C.TIMESTAMP)
EVENT_COLUMNS = (C.USER, C.LISTING, C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION)
_NEVER = pd.Timestamp.max.tz_localize("UTC")


@dataclass
class Changes:
    """The changes by new rows.

    Attributes:
        new, changed: ids of new listings, and of listings with a changed value, photo, or time of being active.
        encoded: whether vectors of existing listings change.
        users: users with new events; events: number of new events; waiting: those on unknown listings or in the future.
        photos_waiting: number of photos that could not be read or fetched and are tried again.
        taken: frames that could be read, with their table.
        problems: files and queries that could not be used, one sentence each.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    encoded: bool = False
    users: list[str] = field(default_factory=list)
    events: int = 0
    waiting: int = 0
    photos_waiting: int = 0
    taken: list[tuple[str, Frame]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


def merge_listings(
    market: Market,
    config: MarketConfig,
    frames: Sequence[Frame],
    changes: Changes,
    merged_frames: frozenset[str] = frozenset(),
) -> None:
    """Merge the listings of `frames` into those of the market: existing ones in their rows, new ones appended.

    A column that a frame lacks keeps its values in existing listings and is missing in new ones. A column of the table that the
    market does not read, such as an excluded one, is merged unchanged. A column that the table lacks is ignored, except
    `published_at` and `expires_at`.

    Args:
        merged_frames: keys of frames that were merged before the run was embedded again: only their missing listings are added,
            since the market's own tables have the current state of the others.
    """
    raw, read = raw_table(market, "listings"), market.listings
    table = stored = pd.concat([read, raw[[name for name in raw if name not in read]]], axis=1)
    for frame in frames:
        try:
            typed = _typed_listings(frame, table, market, config, changes)
        except VibesError as error:
            changes.problems.append(str(error))
            continue
        changes.taken.append(("listings", frame))
        if len(typed) and frame.key in merged_frames:
            typed = typed[~typed[C.LISTING].isin(read[C.LISTING])]
        if len(typed):
            table = _upsert(table, typed)
    if table is stored:
        return
    had, content = table[: len(stored)], read.columns.difference([C.LISTING, C.PUBLISHED, C.EXPIRES])
    changes.new = table[C.LISTING][len(stored) :].tolist()
    is_read = _differs(stored[content], had[content])
    times = [name for name in (C.PUBLISHED, C.EXPIRES) if name in had]
    changes.changed = set(had[C.LISTING][is_read | _differs(stored.reindex(columns=times), had[times])])
    changes.encoded = bool(is_read.any())
    has_column = had.shape[1] > stored.shape[1]
    if changes.new or has_column or _differs(stored, had[stored.columns]).any():
        changes.tables["listings"] = _keep_unread_cells(table, raw, read, config)


def _typed_listings(
    frame: Frame, table: pd.DataFrame, market: Market, config: MarketConfig, changes: Changes
) -> pd.DataFrame:
    """Return the last row of each listing of a frame; columns that the market does not read are unchanged."""
    if frame.rows.empty:
        return pd.DataFrame()
    path, rows = Path(frame.name), frame.rows.reset_index(drop=True)
    require(rows, path, (C.LISTING,))
    readable = ({*market.listings.columns, C.PUBLISHED, C.EXPIRES}) - set(config.excluded)
    unread = [name for name in rows.columns if name in table.columns and name not in readable]
    notes = Notes(path.name)
    notes.unread(rows, (*readable, *config.excluded))
    ids = as_ids(rows[C.LISTING])
    named = (ids.notna() & (ids != "")).to_numpy(bool)
    notes.add(C.LISTING, ~named, rows[C.LISTING], "is empty; the row is skipped")
    places = np.flatnonzero(named & ~ids.duplicated(keep="last").to_numpy(bool))
    raw = rows.iloc[places][[name for name in rows.columns if name in readable]]
    changes.issues += notes.issues
    if raw.empty:
        return raw
    described = {name: setting for name, setting in config.attributes.items() if name in raw.columns}
    # New rows may lack columns.
    update: dict[str, Any] = {"attributes": described, "title": None, "excluded": []}
    typed, _, issues = listings_table(raw, path, config.model_copy(update=update))
    changes.issues += [issue.within(places) for issue in issues]
    return typed.assign(**{name: rows[name].iloc[places].array for name in unread})


def _upsert(table: pd.DataFrame, typed: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the cells of `typed` in the rows of existing listings, and its new listings appended."""
    for name in (C.PUBLISHED, C.EXPIRES):
        if name in typed and name not in table:
            table = table.assign(**{name: pd.Series(pd.NaT, table.index, dtype=typed[name].dtype)})
    for name in typed.columns.drop(C.LISTING):
        if name in table:
            old, new = with_common_type(table[name], typed[name])
            table, typed = table.assign(**{name: old}), typed.assign(**{name: new})
    rows = typed.set_index(C.LISTING)
    new = rows.index[~rows.index.isin(table[C.LISTING])]
    untold = [name for name in table.columns.drop(C.LISTING) if name not in rows]
    if len(new):  # keep integers and flags as such if some are missing
        kinds = {"i": "Int64", "u": "UInt64", "b": "boolean"}
        table = table.astype({name: kinds.get(table[name].dtype.kind, table[name].dtype) for name in untold})
    rows = rows.join(table.set_index(C.LISTING)[untold]).reset_index()[list(table.columns)]
    merged = pd.concat([table, rows.astype(table.dtypes.to_dict())], ignore_index=True)
    merged = merged.drop_duplicates(C.LISTING, keep="last").set_index(C.LISTING)
    return merged.loc[[*table[C.LISTING], *new]].reset_index()


def with_common_type(first: pd.Series, second: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return two columns with one type so that they can be concatenated: as text if their types differ."""
    if first.dtype == second.dtype and (
        first.dtype != object or (_holds_lists(first) and _holds_lists(second))
    ):
        return first, second
    return as_ids(first), as_ids(second)


def _holds_lists(column: pd.Series) -> bool:
    return all(
        isinstance(cell, list | np.ndarray)
        for cell in column
        if not (pd.api.types.is_scalar(cell) and pd.isna(cell))
    )


def _differs(item: pd.DataFrame, two: pd.DataFrame) -> np.ndarray:
    """Return which rows (n,) bool of two tables with the same columns differ."""
    if not item.shape[1]:
        return np.zeros(len(item), bool)
    texts = [name for name in item if item[name].dtype == object or item[name].dtype != two[name].dtype]
    hashes = []
    for table in (item, two):
        table = table.assign(**{name: as_ids(table[name]) for name in texts})
        hashes.append(pd.util.hash_pandas_object(table, index=False).to_numpy())
    return np.asarray(hashes[0] != hashes[1])


def merge_events(market: Market, config: MarketConfig, frames: Sequence[Frame], changes: Changes) -> None:
    """Append the events of `frames` to those of the market without duplicates, after its listings are merged.

    A duplicate has the same user, listing, time, action and duration. Events on unknown listings and in the future are appended as
    well: the market skips them until their listing or their time has come.
    """
    raw = raw_table(market, "events")
    table = stored = market.events if raw.columns.empty else _stored_events(raw)
    timed = market.timed if len(raw) else None
    unread, parts = [name for name in table.columns if name not in EVENT_COLUMNS], list[pd.DataFrame]()
    for frame in frames:
        if timed is None and parts:  # the first events determine it
            timed = C.TIMESTAMP in parts[0]
        try:
            if len(frame.rows):
                parts.append(_typed_events(frame, config, timed, unread, changes))
        except VibesError as error:
            changes.problems.append(str(error))
            continue
        changes.taken.append(("events", frame))
    if not parts:
        return
    rows = pd.concat(parts, ignore_index=True)
    if table.empty:
        table = rows[:0]
    elif C.ACTION not in table and C.ACTION in rows and rows[C.ACTION].isin(config.unwanted).any():
        # A model that was trained without actions knows only those that say "not this".
        rows[C.ACTION] = rows[C.ACTION].where(rows[C.ACTION].isin(config.unwanted))
        table = table.assign(**{C.ACTION: pd.Series(None, table.index, dtype="str")})
    keys = [name for name in EVENT_COLUMNS if name in table]
    rows = rows.reindex(columns=[*keys, *unread]).astype({name: table[name].dtype for name in keys})
    for name in unread:
        old, new = with_common_type(table[name], rows[name])
        table, rows = table.assign(**{name: old}), rows.assign(**{name: new})
    mine = table[keys][table[C.USER].isin(rows[C.USER].unique())]
    rows = rows[~pd.concat([mine, rows[keys]]).duplicated().to_numpy()[len(mine) :]]
    waits = ~rows[C.LISTING].isin([*market.listings[C.LISTING], *changes.new]).to_numpy(bool)
    if C.TIMESTAMP in rows:
        waits |= (rows[C.TIMESTAMP] > pd.Timestamp.now("UTC")).to_numpy(bool)
    changes.waiting, changes.events = int(waits.sum()), int((~waits).sum())
    changes.users = sorted(rows[C.USER][~waits].unique())
    if len(rows):
        table = pd.concat([table, rows], ignore_index=True)
        changes.tables["events"] = _keep_unread_cells(table, raw, stored, config)


def _typed_events(
    frame: Frame, config: MarketConfig, timed: bool | None, unread: Sequence[str], changes: Changes
) -> pd.DataFrame:
    path = Path(frame.name)
    require(frame.rows, path, (C.USER, C.LISTING))
    if timed is not None and (C.TIMESTAMP in frame.rows) != timed:
        needed = C.TIMESTAMP if timed else C.POSITION
        raise VibesError(f"{frame.name} lacks the column '{needed}' that the market's events have; add it.")
    listings = pd.Index(as_ids(frame.rows[C.LISTING]).dropna().unique())
    existing = [name for name in unread if name in frame.rows]
    table, _, issues = events_table(frame.rows, path, listings, config, _NEVER, extra=existing)
    changes.issues += issues
    return table


def _stored_events(raw: pd.DataFrame) -> pd.DataFrame:
    """Return all rows of the events table, including those that the market skips, with the types of `Market.events`."""
    typed = {name: as_ids(raw[name]) for name in (C.USER, C.LISTING, C.ACTION) if name in raw}
    if C.TIMESTAMP in raw:
        typed[C.TIMESTAMP] = to_moments(raw[C.TIMESTAMP])[0]
    elif C.POSITION in raw:
        numbers = pd.Series(to_numbers(raw[C.POSITION])[0])
        typed[C.POSITION] = numbers.where(numbers % 1 == 0).astype("Int64")
    if C.DURATION in raw:
        typed[C.DURATION] = pd.Series(to_numbers(raw[C.DURATION])[0])
    return raw.assign(**typed)


def _keep_unread_cells(
    table: pd.DataFrame, raw: pd.DataFrame, before: pd.DataFrame, config: MarketConfig
) -> pd.DataFrame:
    """Return `table`, an extension of `before` (the parsed form of `raw`), with the original text of cells that could not be parsed.

    A column with such a cell (a price "on request") becomes text, so that the cell can still be corrected.
    """
    for name in before.columns.intersection(raw.columns):
        if not pd.api.types.is_numeric_dtype(before[name]) and name not in MOMENTS:
            continue
        unread = np.zeros(len(table), bool)
        unread[: len(raw)] = (raw[name].notna() & before[name].isna()).to_numpy(bool)
        unread &= table[name].isna().to_numpy(bool)
        if unread.any():
            words = table[name].astype("str").where(table[name].notna()).astype("str")
            if config.attributes.get(name, AttributeConfig()).decimal == ",":
                words = with_points(words)
            words[unread] = raw[name][unread[: len(raw)]].astype("str").array
            table = table.assign(**{name: words})
    return table
