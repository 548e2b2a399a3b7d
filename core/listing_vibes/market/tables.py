"""The three tables, validated one by one: what is wrong and repairable becomes a `Defect`, the rest one sentence."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import MAX_COORDINATE
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.defects import Defect, Notes
from listing_vibes.market.hints import note_thousands, note_unparsed, why_unused
from listing_vibes.market.ids import by_user_and_time, rows_in
from listing_vibes.market.in_vain import excluded_in_vain
from listing_vibes.market.io import TABLES
from listing_vibes.market.kinds import infer_kind, kind_of
from listing_vibes.market.moments import to_moments
from listing_vibes.market.photo_urls import with_paths
from listing_vibes.market.values import SEPARATOR, as_ids, of_bytes, to_numbers, with_points

#: What pandas calls a column without a name; one that it read and wrote again has a second number.
_NAMELESS = re.compile(r"Unnamed: \d+(\.\d+)?")
#: Of no column of moments it is known whether the day or the month comes first.
NO_ORDER: Mapping[str, bool] = {}


def require(table: pd.DataFrame, path: Path, names: tuple[str, ...]) -> None:
    """Raise a sentence that names the columns of `names` that `table` lacks."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise VibesError(
            f"{path} lacks the column '{missing[0]}' (it has: {_first(table)}); rename or add it{mapping_hint(path, missing[0], list(map(str, table.columns)))}."
        )
    duplicated = table.columns[table.columns.duplicated()]
    if len(duplicated):
        raise VibesError(f"{path} has the column '{duplicated[0]}' twice; remove one.")


def mapping_hint(path: Path, name: str, columns: Sequence[str]) -> str:
    """Return how `market.toml` says that one of the `columns` of a market's table is the column `name`; "" of other tables."""
    table = path.name.partition(".")[0]
    if table not in TABLES or not len(columns):
        return ""
    near = difflib.get_close_matches(
        name, by_small := {column.casefold(): column for column in columns}, 1, 0.2
    )
    column = by_small[near[0]] if near else columns[0]
    return f", or name it in market.toml: [columns.{table}] {name} = {json.dumps(column, ensure_ascii=False)}"


def _first(table: pd.DataFrame) -> str:
    return ", ".join(map(str, list(table.columns)[:8]))


def listings_table(
    raw: pd.DataFrame,
    path: Path,
    config: MarketConfig,
    whole: bool = True,
    day_first: Mapping[str, bool] = NO_ORDER,
) -> tuple[pd.DataFrame, dict[str, AttributeConfig], list[Defect]]:
    """Validate `listings`: typed columns, the attributes with their kinds, and what was repaired.

    Args:
        whole: `raw` is a table of its own, so that its columns tell how it is written; single rows of one do not.
        day_first: by columns of moments, what single rows do not tell, if it is known; see `to_moments`.

    Raises:
        VibesError: no `listing_id` column, an empty or duplicate id, no listing at all.
    """
    require(raw, path, (C.LISTING,))
    unknown = [name for name in config.attributes if name != C.PLACE and name not in raw.columns]
    if unknown:
        raise VibesError(
            f"{path} lacks the column '{unknown[0]}' that the market's attributes (market.toml) describe; add it or remove it there."
        )
    if config.title is not None and config.title not in raw.columns:
        raise VibesError(
            f"{path} lacks the column '{config.title}' that the market's title (market.toml) names; add it or name another."
        )
    if raw.empty:
        raise VibesError(f"{path} has no listing; a market needs at least one row.")
    notes, ids = Notes(path.name), as_ids(raw[C.LISTING])
    notes.defects += excluded_in_vain(list(map(str, raw.columns)), path, config)
    empty, id_column = ids.isna() | (ids == ""), config.columns.get("listings", {}).get(C.LISTING, C.LISTING)
    if empty.any():
        raise VibesError(
            f"{path}, column {id_column}, row {int(empty.argmax()) + 1} is empty; give that listing an id."
        )
    if ids.nunique() < len(ids):
        row = int(ids.duplicated().argmax())
        raise VibesError(
            f"{path}, column {id_column}, row {row + 1}: '{ids.iloc[row]}' is there twice; keep one row a listing."
        )
    columns: dict[str, pd.Series] = {C.LISTING: ids.reset_index(drop=True)}
    kinds: dict[str, AttributeConfig] = {}
    for name in map(str, raw.columns):
        if name == C.LISTING or name in config.unread:
            continue
        column = of_bytes(raw[name]).reset_index(drop=True)
        if name in (C.PUBLISHED, C.EXPIRES):
            columns[name], bad = to_moments(column, True, whole, day_first.get(name))
            notes.add(name, bad, column, "is no date; read as unknown")
        elif name not in config.attributes and _counts_rows(name, column):
            notes.defects.append(
                Defect(path.name, name, 0, "", "has no name in the file and counts the rows; it is not used")
            )
        elif name in MAX_COORDINATE:
            values, bad = to_numbers(column)
            bad |= np.abs(np.nan_to_num(values)) > MAX_COORDINATE[name]
            notes.add(name, bad, column, "is no coordinate in degrees; read as missing")
            columns[name] = pd.Series(np.where(bad, np.nan, values))
        else:
            setting = config.attributes.get(name, AttributeConfig())
            elsewhere = setting.kind is not None and not kind_of(setting.kind).own_column
            if elsewhere or (name == C.PLACE and set(MAX_COORDINATE) <= set(raw.columns)):
                raise VibesError(
                    f"{path}, column {name}: a place is read from the columns latitude and longitude; rename this one."
                )
            kind = setting.kind or ("multi" if setting.separator else None)
            told = column
            if setting.decimal == "," and kind in (None, "number"):
                column = with_points(column)
            kind = kind or ("number" if setting.decimal else None)
            kind = kind or (
                "text" if name == C.DESCRIPTION and column.notna().any() else infer_kind(name, column)
            )
            unsure = setting.kind is None and (kind is None or kind_of(kind).written)
            hinted = unsure and note_unparsed(name, column, notes)
            if kind is None:
                if not hinted:
                    notes.defects.append(Defect(path.name, name, 0, "", why_unused(name, column, raw)))
                continue
            if kind_of(kind).binned and whole and not setting.decimal:
                note_thousands(name, column, notes)
            columns[name], bad, problem = kind_of(kind).read(column, setting.separator or SEPARATOR)
            notes.add(name, bad, told, problem)
            kinds[name] = setting.model_copy(update={"kind": kind, "label": setting.label or label_of(name)})
    if C.PUBLISHED in columns and C.EXPIRES in columns:
        never = (columns[C.EXPIRES] <= columns[C.PUBLISHED]).to_numpy(bool)
        notes.add(C.EXPIRES, never, raw[C.EXPIRES], "is not after published_at, so the listing is never live")
    if C.LATITUDE in columns and C.LONGITUDE in columns and C.PLACE not in config.excluded:
        setting = config.attributes.get(C.PLACE, AttributeConfig())
        kinds[C.PLACE] = setting.model_copy(update={"kind": "place", "label": setting.label or "Location"})
    return pd.DataFrame(columns), kinds, notes.defects


def _counts_rows(name: str, column: pd.Series) -> bool:
    """Whether a column is the index that pandas wrote into a CSV, which says nothing but in which order the file is."""
    if not _NAMELESS.fullmatch(name):
        return False
    numbers = to_numbers(column)[0]
    return bool((numbers == np.arange(len(numbers)) + numbers[0]).all()) and numbers[0] in (0, 1)


def label_of(name: str) -> str:
    """A readable label for a column without one in `market.toml`."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def photos_table(raw: pd.DataFrame, path: Path, known: pd.Index) -> tuple[pd.DataFrame, list[Defect]]:
    """Validate `photos`: rows on unknown listings and paths that leave the market are counted and skipped.

    A photo that is named by its address has the path that its file has once it is fetched (`listing_vibes.market.photo_urls`).
    """
    raw = with_paths(raw)
    require(raw, path, (C.LISTING, C.PATH))
    raw, notes = raw.reset_index(drop=True), Notes(path.name)
    notes.unread(raw, (C.LISTING, C.PATH, C.URL, C.POSITION))
    ids, paths = as_ids(raw[C.LISTING]), raw[C.PATH].astype("str").str.strip()
    empty = raw[C.PATH].isna().to_numpy() | (paths == "").to_numpy()
    notes.add(C.PATH, empty, raw[C.PATH], "is empty; the photo is skipped")
    strange = known.get_indexer(ids) < 0
    notes.add(C.LISTING, strange, raw[C.LISTING], "is no listing of this market; its photo is skipped")
    # Only what could lead out is taken apart: of a million plain paths that alone would take a minute.
    leaving = paths.str.contains(r"\.\.|:|^[/\\]").to_numpy(bool, na_value=False) & ~empty
    leaving[leaving] = [leaves_market(text) for text in paths[leaving]]
    notes.add(C.PATH, leaving, paths, "leaves the market folder; the photo is skipped (use a path inside it)")
    if C.POSITION in raw.columns:
        position, bad = to_numbers(raw[C.POSITION])
        notes.add(C.POSITION, bad, raw[C.POSITION], "is no number; the photo goes last")
        order = np.nan_to_num(position, nan=np.inf)
    else:
        order = np.arange(len(raw), dtype=float)
    table = pd.DataFrame({C.LISTING: ids, C.POSITION: order, C.PATH: paths})[~(empty | strange | leaving)]
    table = table.drop_duplicates([C.LISTING, C.PATH]).sort_values([C.LISTING, C.POSITION], kind="stable")
    table[C.POSITION] = table.groupby(C.LISTING).cumcount().astype("int32")
    return table.reset_index(drop=True), notes.defects


def leaves_market(text: str) -> bool:
    """True where a photo's path is absolute (on any system) or climbs out of the market folder."""
    path = PureWindowsPath(text)  # reads / as \\ and knows drives: stricter than any one system
    return bool(path.drive or path.root) or ".." in path.parts


def may_be_photo(path: str) -> bool:
    """Return whether a file may be written at a photo's path: one that stays in the market and names no table or hidden file."""
    parts = PureWindowsPath(path).parts
    hidden = any(part.startswith(".") for part in parts)
    reserved = len(parts) < 2 and path.lower().endswith((".toml", ".parquet", ".csv", ".csv.gz", ".absent"))
    return bool(parts) and not (hidden or reserved or leaves_market(path))


def events_table(
    raw: pd.DataFrame,
    path: Path,
    known: pd.Index,
    config: MarketConfig,
    now: pd.Timestamp,
    whole: bool = True,
    day_first: Mapping[str, bool] = NO_ORDER,
    beside: Sequence[str] = (),
) -> tuple[pd.DataFrame, list[str], list[Defect]]:
    """Validate `events`; what cannot be placed in time or on a listing is counted and skipped.

    Args:
        whole, day_first: as in `listings_table`.
        beside: columns that nobody reads and that the events have all the same, as they are.

    Returns:
        events sorted by user, then time, then original order; the actions, weakest first; the defects.

    Raises:
        VibesError: neither `timestamp` nor `position`, or no user or listing column.
    """
    require(raw, path, (C.USER, C.LISTING))
    raw, notes = raw.reset_index(drop=True), Notes(path.name)
    read = (C.USER, C.LISTING, C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION)
    notes.unread(raw, read)
    if C.TIMESTAMP in raw.columns:
        when: pd.Series
        when, bad = to_moments(raw[C.TIMESTAMP], whole=whole, day_first=day_first.get(C.TIMESTAMP))
        bad |= raw[C.TIMESTAMP].isna().to_numpy()
        notes.add(C.TIMESTAMP, bad, raw[C.TIMESTAMP], "is no date or time; the event is skipped")
        future = (when > now).to_numpy()
        notes.add(C.TIMESTAMP, future, raw[C.TIMESTAMP], "lies in the future; the event is skipped")
        bad |= future
    elif C.POSITION in raw.columns:
        values, bad = to_numbers(raw[C.POSITION])
        values[bad] = np.nan
        bad = np.isnan(values) | (values != np.floor(values)) | (np.abs(values) > 2**53)
        notes.add(C.POSITION, bad, raw[C.POSITION], "is no whole number; the event is skipped")
        when = pd.Series(np.where(bad, 0, values)).astype("int64")
    else:
        raise VibesError(
            f"{path} has neither 'timestamp' nor 'position' (it has: {_first(raw)}); rename the column that says when, or add one, "
            "so that events have an order."
        )
    users, listings = as_ids(raw[C.USER]), as_ids(raw[C.LISTING])
    strange = rows_in(listings, known) < 0
    notes.add(C.LISTING, strange, raw[C.LISTING], "is no listing of this market; the event is skipped")
    nobody = users.isna().to_numpy() | (users == "").to_numpy()
    notes.add(C.USER, nobody, raw[C.USER], "is empty; the event is skipped")
    time_name = C.TIMESTAMP if C.TIMESTAMP in raw.columns else C.POSITION
    table = pd.DataFrame({C.USER: users, C.LISTING: listings, time_name: when})
    actions = list(config.actions)
    if C.ACTION in raw.columns:
        words = as_ids(raw[C.ACTION])
        actions = actions or list(words.value_counts().index)  # the most frequent action is the weakest
        # What is not wanted is known whatever else market.toml calls actions.
        actions += [name for name in config.unwanted if name not in actions and (words == name).any()]
        unknown = words.notna().to_numpy() & ~words.isin(actions).to_numpy()
        notes.add(
            C.ACTION, unknown, words, f"is no action of market.toml ({', '.join(actions)}); read as unknown"
        )
        table[C.ACTION] = words.where(~unknown)
    if C.DURATION in raw.columns:
        seconds, wrong = to_numbers(raw[C.DURATION])
        wrong |= np.nan_to_num(seconds) < 0
        notes.add(C.DURATION, wrong, raw[C.DURATION], "is no duration in seconds; read as unknown")
        table[C.DURATION] = np.where(wrong, np.nan, seconds)
    if beside:
        table = table.assign(**{name: raw[name] for name in beside})
    out = bad | strange | nobody
    if out.any():
        table = table[~out]
    order = by_user_and_time(table[C.USER], table[time_name].astype("int64").to_numpy())
    if order is not None:
        table = table.take(order)
    return table.reset_index(drop=True), actions, notes.defects
