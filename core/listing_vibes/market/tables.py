"""Read a source's tables, and validate the three of a market: repairable issues become `Issue`s, others raise an error."""

import difflib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import (
    has_semicolons,
    infer_type,
    is_identifier,
    type_of,
    unparsed_cells,
)
from listing_vibes.market.columns import MAX_COORDINATE
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import HIDE, AttributeConfig, MarketConfig
from listing_vibes.market.io import read_table
from listing_vibes.market.moments import to_moments
from listing_vibes.market.photo_files import leaves_market, with_paths
from listing_vibes.market.values import (
    SEPARATOR,
    as_ids,
    by_user_and_time,
    is_ambiguous,
    rows_in,
    to_numbers,
    with_points,
)
from listing_vibes.words import capitalize, count, enumerated

#: pandas' name of a column without a name; one that was read and written again has a second number.
_NAMELESS = re.compile(r"Unnamed: \d+(\.\d+)?")
#: The columns that each table needs; of those separated by " or " one.
NEEDED = {
    "listings": (C.LISTING,),
    "photos": (C.LISTING, f"{C.PATH} or {C.URL}"),
    "events": (C.USER, C.LISTING, f"{C.TIMESTAMP} or {C.POSITION}"),
}
#: Listings that are published later than this from now are named, and this number of them without an end.
_FAR, _MANY = pd.Timedelta(days=366), 1_000
_SAMPLE = 1_000  # ids of events that are compared with those of listings in another spelling
_DATE = "is not an unambiguous date such as 2024-01-31"
_SPREADSHEET_DAY = " but a day number of a spreadsheet (export the column formatted as a date)"
_PAIR = re.compile(r"-?\d{1,3}\.\d+[,;] ?-?\d{1,3}\.\d+")  # a latitude and a longitude
_UNIT = re.compile(r"-?\d[\d.,]*+ ?([^\d\s]\S{0,7})")  # a number with its unit
_ROUNDED = re.compile(r"\d\.\d+E\+\d+")


@dataclass(frozen=True)
class Issue:
    """One kind of issue: where it first occurs, how often, and how it was handled."""

    file: str
    column: str
    row: int  # 1-based data row of the first one; 0 for a file or column
    value: str  # the first offending value
    message: str  # what is wrong, and how it was or should be handled
    count: int = 1
    #: (count,) int64, 0-based rows of the table as it was read; empty for a file or column.
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), compare=False, repr=False)

    def __str__(self) -> str:
        where = f"{self.file}, column {self.column}" if self.column else self.file
        if self.row:
            where += f", row {self.row}"
        times = f" ({self.count} rows)" if self.count > 1 else ""
        shown = f": '{self.value[:60]}'" if self.value else ""
        return f"{where}{shown} {self.message}{times}"

    def within(self, rows: np.ndarray) -> "Issue":
        """Return the same issue for the full table, of which only the `rows` (n,) were read."""
        if not len(self.rows):
            return self
        return replace(self, row=int(rows[self.rows[0]]) + 1, rows=rows[self.rows])


@dataclass
class Notes:
    """Collect the issues of one file."""

    file: str
    issues: list[Issue] = field(default_factory=list)

    def add(self, column: str, bad: np.ndarray, values: pd.Series, message: str) -> None:
        """Record the rows where `bad` (N,) is true, if any, as one issue."""
        rows = np.flatnonzero(bad)
        if len(rows):
            cell = values.iloc[rows[0]]
            value = "" if pd.api.types.is_scalar(cell) and pd.isna(cell) else str(cell)
            self.issues.append(Issue(self.file, column, int(rows[0]) + 1, value, message, len(rows), rows))

    def add_column(self, column: str, message: str) -> None:
        """Record an issue of a column."""
        self.issues.append(Issue(self.file, column, 0, "", message))

    def unread(self, raw: pd.DataFrame, used: Collection[str]) -> None:
        """Record the columns of `raw` that this table does not use."""
        for name in map(str, raw.columns):
            if name not in used:
                self.add_column(name, "is not a column of this table and is ignored")


def require(table: pd.DataFrame, shown: object, names: Sequence[str]) -> None:
    """Check that a table has each of the columns `names` once; "path or url" requires one of them. Messages call it `shown`.

    Raises:
        VibesError: it lacks one, or has one twice.
    """
    columns = list(map(str, table.columns))
    for name in names:
        if not set(name.split(" or ")) & set(columns):
            for column in columns:
                if column.strip().casefold() in name.split(" or "):
                    raise VibesError(
                        f"{shown} has the column {column!r}; rename it to '{column.strip().casefold()}'."
                    )
            raise VibesError(
                f"{shown} lacks the column {name} (it has {', '.join(columns[:8])}); rename or add it."
            )
    duplicated = table.columns[table.columns.duplicated()]
    if len(duplicated):
        raise VibesError(f"{shown} has the column '{duplicated[0]}' twice; remove one.")


def _check_names(
    key: str, names: Sequence[str], valid: Sequence[str], others: Sequence[str], source: Path
) -> list[Issue]:
    """Return issues of names that market.toml lists under `key` and that are not `valid` columns of a table; refuse one that is close
    to one of the `others`, which would then reach the model.
    """
    unknown = [name for name in names if name not in valid]
    spelled = {name.casefold(): name for name in others}
    for name in unknown:
        for match in difflib.get_close_matches(name.casefold(), spelled, 1, 0.8):
            raise VibesError(
                f"market.toml lists '{name}' as {key}, which {source} does not have, and not '{spelled[match]}', which it has; correct "
                "the name."
            )
    return [Issue("market.toml", key, 0, name, f"is not in {source.name}; remove it") for name in unknown]


def listings_table(
    raw: pd.DataFrame, path: Path, config: MarketConfig, now: pd.Timestamp | None = None
) -> tuple[pd.DataFrame, dict[str, AttributeConfig], list[Issue]]:
    """Validate `listings`: return typed columns, the attributes with their types, and the issues.

    Rows that are equal in all columns to an earlier one are left out.

    Args:
        now: by default the current time.

    Raises:
        VibesError: there is no `listing_id` column or no listing, an id is empty or duplicate, or an attribute of market.toml is missing.
    """
    raw, notes = _read_columns(raw, path, "listings")
    names = list(map(str, raw.columns))
    _check_described(names, path, config)
    raw, repeated = _without_repeated(raw, notes)
    reached = [name for name in names if name not in config.excluded]
    notes.issues += _check_names("excluded", config.excluded, [*names, C.PLACE], reached, path)
    columns = {C.LISTING: _listing_ids(raw, path, repeated)}
    attributes: dict[str, AttributeConfig] = {}
    for name in names:
        if name == C.LISTING or name in config.unread:
            continue
        column = raw[name]
        if name in (C.PUBLISHED, C.EXPIRES):
            columns[name], bad = to_moments(column)
            notes.add(name, bad, column, f"{_date_issue(column, bad)}; treated as unknown")
            _check_lifetimes(name, columns[name], column, now or pd.Timestamp.now("UTC"), notes)
        elif name in MAX_COORDINATE:
            is_text = pd.api.types.is_string_dtype(column.dtype) and column.dtype != object
            values, bad = to_numbers(
                column.str.replace(",", ".") if is_text else column
            )  # 59,91 has no thousands
            is_outside = np.abs(np.nan_to_num(values)) > MAX_COORDINATE[name]
            is_swapped = name == C.LATITUDE and 2 * is_outside.sum() > len(values)
            bad |= is_outside
            hint = ", so that latitude and longitude seem to be swapped" if is_swapped else ""
            notes.add(name, bad, column, f"is not a coordinate in degrees{hint}; treated as missing")
            columns[name] = pd.Series(np.where(bad, np.nan, values))
        elif name not in config.attributes and _NAMELESS.fullmatch(name):
            notes.add_column(name, "has no name in the file, as a row number of pandas; it is ignored")
        else:
            setting = _resolve_attribute(name, column, config.attributes.get(name, AttributeConfig()), notes)
            if setting.kind is not None:
                attributes[name] = setting
                cells = with_points(column) if setting.decimal == "," else column
                columns[name], bad, issue = type_of(setting.kind).read(cells, setting.separator or SEPARATOR)
                notes.add(name, bad, column, issue)
                is_inferred = config.attributes.get(name, AttributeConfig()).kind is None
                if is_inferred and type_of(setting.kind).amount and is_identifier(name, columns[name]):
                    notes.add_column(
                        name,
                        "is read as a number, but its values look like ids, such as a seller's; if they are, write "
                        f'excluded = ["{name}"] into market.toml, or to use them as the seller [attributes."{name}"] kind = "category"',
                    )
    if {C.PUBLISHED, C.EXPIRES} <= set(columns):
        never = (columns[C.EXPIRES] <= columns[C.PUBLISHED]).to_numpy(bool)
        notes.add(
            C.EXPIRES, never, raw[C.EXPIRES], "is not after published_at, so the listing is never active"
        )
    if set(MAX_COORDINATE) <= set(columns) and C.PLACE not in config.excluded:
        setting = config.attributes.get(C.PLACE, AttributeConfig())
        attributes[C.PLACE] = setting.model_copy(
            update={"kind": "place", "label": setting.label or "Location"}
        )
    issues = (
        [*notes.issues[:1], *(issue.within(repeated) for issue in notes.issues[1:])]
        if len(repeated)
        else notes.issues
    )
    return pd.DataFrame(columns), attributes, issues


def _without_repeated(raw: pd.DataFrame, notes: Notes) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table without the rows that repeat an earlier one in all columns, and the rows that stay, none where all do."""
    ids = as_ids(raw[C.LISTING])
    rows = np.flatnonzero(ids.duplicated(keep=False))
    if not len(rows):
        return raw, rows
    cells = raw.iloc[rows].astype("str").assign(**{C.LISTING: ids.iloc[rows]})
    is_repeated = np.zeros(len(raw), bool)
    is_repeated[rows] = cells.duplicated()
    if not is_repeated.any():
        return raw, np.zeros(0, np.int64)
    notes.add(C.LISTING, is_repeated, raw[C.LISTING], "repeats an earlier row in all columns; kept once")
    return raw[~is_repeated].reset_index(drop=True), np.flatnonzero(~is_repeated)


def _check_lifetimes(
    name: str, moments: pd.Series, column: pd.Series, now: pd.Timestamp, notes: Notes
) -> None:
    """Record listings that are published in the far future, and many that never expire in a table that says when others do."""
    if name == C.PUBLISHED:
        is_late = (moments > now + _FAR).to_numpy(bool)
        notes.add(
            name, is_late, column, "lies more than a year in the future; the listing is not active until then"
        )
        return
    is_endless = moments.isna().to_numpy()
    if _MANY <= is_endless.sum() < len(moments):
        notes.add(
            name,
            is_endless,
            column,
            "is empty; the listing never expires, so that a removed one stays a candidate",
        )


def _read_columns(raw: pd.DataFrame, path: Path, name: str) -> tuple[pd.DataFrame, Notes]:
    """Return the table `name`, which must have the columns that it needs, and a collector of its issues."""
    require(raw, path, NEEDED[name])
    return raw.reset_index(drop=True), Notes(path.name)


def _check_described(names: list[str], path: Path, config: MarketConfig) -> None:
    """Raise an error where market.toml describes missing columns, or a location in one column."""
    described = {name: "attributes" for name in config.attributes if name != C.PLACE}
    if config.title is not None:
        described[config.title] = "title"
    for name, key in described.items():
        if name not in names:
            raise VibesError(
                f"{path} lacks the column '{name}' that the market's {key} (market.toml) names; add it or remove it there."
            )
    for name in names:
        kind = config.attributes.get(name, AttributeConfig()).kind
        is_place = kind is not None and not type_of(kind).has_column
        if is_place or (name == C.PLACE and set(MAX_COORDINATE) <= set(names)):
            raise VibesError(
                f"{path}, column {name}: a location is read from the columns latitude and longitude; rename this one."
            )


def _listing_ids(raw: pd.DataFrame, path: Path, rows: np.ndarray) -> pd.Series:
    """Return the ids of the listings; raise an error where there are none, or one is empty or duplicate.

    Args:
        rows: the rows of the file that `raw` has; empty: all.
    """
    if raw.empty:
        raise VibesError(f"{path} has no listing; add at least one row.")
    ids = as_ids(raw[C.LISTING])
    empty = ids.isna() | (ids == "")
    if empty.any():
        raise VibesError(
            f"{path}, column {C.LISTING}, row {int(empty.argmax()) + 1} is empty; give that listing an id."
        )
    if ids.nunique() < len(ids):
        numbers = pd.Series(rows + 1 if len(rows) else np.arange(1, len(ids) + 1)).astype("str")
        repeated = ids[ids.duplicated(keep=False)]
        groups = numbers[repeated.index].groupby(repeated.to_numpy(), sort=False).agg(list)
        shown = [f"'{name}' (rows {enumerated(rows[:3])})" for name, rows in groups.iloc[:3].items()]
        raise VibesError(
            f"{path}, column {C.LISTING}: {count(len(groups), 'id')} of several rows that differ, such as {enumerated(shown)}; keep one row "
            "for each listing."
        )
    return ids


def _resolve_attribute(
    name: str, column: pd.Series, setting: AttributeConfig, notes: Notes
) -> AttributeConfig:
    """Return the settings of an attribute with its label and type; the type is None where the column is ignored."""
    kind = setting.kind or ("multi" if setting.separator else "number" if setting.decimal else None)
    separator = setting.separator
    key = f"[attributes.{json.dumps(name, ensure_ascii=False)}]"
    if kind is None:
        has_text = name == C.DESCRIPTION and column.notna().any()
        kind = "text" if has_text else infer_type(name, column)
        if not has_text and (kind is None or type_of(kind).written) and has_semicolons(column):
            kind, separator = "multi", ";"
        if (kind is None or type_of(kind).written) and (cells := unparsed_cells(column)):
            kind = "category"
            shown = ", ".join(f"'{cell[:40]}'" for cell in cells)
            notes.add_column(
                name,
                f"is a category, since cells such as {shown} are not numbers; {_number_hint(cells, key)}",
            )
        elif kind is None:
            message = "is empty and is ignored"
            if column.notna().any():
                message = "holds only identifiers or dates and is ignored (rename a date of publication or expiry to published_at or expires_at)"
            notes.add_column(name, message)
    if kind is not None and type_of(kind).binned and not setting.decimal:
        message = f'is read with "." as the decimal mark; set {key} decimal = "," or "." in market.toml'
        notes.add(name, is_ambiguous(column), column, message)
    label = name.replace("_", " ").strip()
    label = setting.label or capitalize(label)
    return setting.model_copy(update={"kind": kind, "label": label, "separator": separator})


def _number_hint(cells: Sequence[str], key: str) -> str:
    """Return how to have a column read as numbers, by some of its cells that are none; `key` is its table in market.toml."""
    if all(_PAIR.fullmatch(cell) for cell in cells):
        return "for locations, split it into the columns latitude and longitude"
    units = {match[1] if (match := _UNIT.fullmatch(cell)) else "" for cell in cells}
    if len(units) == 1 and (unit := units.pop()):
        return f"if the column is numeric, remove '{unit}' from the cells, and set {key} unit = {json.dumps(unit, ensure_ascii=False)} in market.toml"
    return (
        f'if the column is numeric, set {key} kind = "number" in market.toml, with decimal = "," for a decimal comma (other cells are '
        "then missing)"
    )


def photos_table(raw: pd.DataFrame, path: Path, listing_ids: pd.Index) -> tuple[pd.DataFrame, list[Issue]]:
    """Validate `photos`: count and skip rows of unknown listings and paths that leave the market.

    A photo with a URL gets the path of its downloaded file (`listing_vibes.market.photo_files`). The index of the result is the row
    of each photo.
    """
    raw, notes = _read_columns(raw, path, "photos")
    raw = with_paths(raw)
    notes.unread(raw, (C.LISTING, C.PATH, C.URL, C.POSITION))
    ids, paths = as_ids(raw[C.LISTING]), raw[C.PATH].astype("str").str.strip()
    empty = raw[C.PATH].isna().to_numpy() | (paths == "").to_numpy()
    notes.add(C.PATH, empty, raw[C.PATH], "is empty; the photo is skipped")
    strange = listing_ids.get_indexer(ids) < 0
    notes.add(C.LISTING, strange, raw[C.LISTING], "is not a listing of this market; the photo is skipped")
    # Only paths that could leave the market are parsed: parsing a million plain paths takes a minute.
    leaving = paths.str.contains(r"\.\.|:|^[/\\]").to_numpy(bool, na_value=False) & ~empty
    leaving[leaving] = [leaves_market(text) for text in paths[leaving]]
    notes.add(C.PATH, leaving, paths, "leaves the market folder; the photo is skipped (use a path inside it)")
    order = np.arange(len(raw), dtype=float)
    if C.POSITION in raw.columns:
        position, bad = to_numbers(raw[C.POSITION])
        notes.add(C.POSITION, bad, raw[C.POSITION], "is not a number; the photo is sorted last")
        order = np.nan_to_num(position, nan=np.inf)
    table = pd.DataFrame({C.LISTING: ids, C.POSITION: order, C.PATH: paths})[~(empty | strange | leaving)]
    table = table.drop_duplicates([C.LISTING, C.PATH]).sort_values([C.LISTING, C.POSITION], kind="stable")
    table[C.POSITION] = table.groupby(C.LISTING).cumcount().astype("int32")
    return table, notes.issues


def events_table(
    raw: pd.DataFrame,
    path: Path,
    listing_ids: pd.Index,
    config: MarketConfig,
    now: pd.Timestamp,
    extra: Sequence[str] = (),
) -> tuple[pd.DataFrame, list[str], list[Issue]]:
    """Validate `events`; count and skip rows without a valid time or listing.

    Args:
        extra: additional columns, which are returned unchanged.

    Returns:
        events sorted by user, then time, then original order; the actions, weakest first; the issues.

    Raises:
        VibesError: neither `timestamp` nor `position`, or no user or listing column.
    """
    raw, notes = _read_columns(raw, path, "events")
    notes.unread(raw, (C.USER, C.LISTING, C.TIMESTAMP, C.POSITION, C.ACTION, C.DURATION))
    time_name = C.TIMESTAMP if C.TIMESTAMP in raw.columns else C.POSITION
    when, bad = _times(raw, time_name, now, notes)
    users, listings = as_ids(raw[C.USER]), as_ids(raw[C.LISTING])
    strange = rows_in(listings, listing_ids) < 0
    hint = _id_hint(listings, users, listing_ids) if len(raw) and strange.all() else ""
    notes.add(
        C.LISTING, strange, raw[C.LISTING], f"is not a listing of this market{hint}; the event is skipped"
    )
    unnamed = users.isna().to_numpy() | (users == "").to_numpy()
    notes.add(C.USER, unnamed, raw[C.USER], "is empty; the event is skipped")
    table = pd.DataFrame({C.USER: users, C.LISTING: listings, time_name: when})
    actions = list(config.actions)
    if C.ACTION in raw.columns:
        words = as_ids(raw[C.ACTION])
        actions = actions or list(words.value_counts().index)  # the most frequent action is the weakest
        # Unwanted actions are valid even where market.toml does not list them as actions.
        actions += [name for name in config.unwanted if name not in actions and (words == name).any()]
        unknown = words.notna().to_numpy() & ~words.isin(actions).to_numpy()
        message = f"is not an action of market.toml ({', '.join(actions)}); treated as unknown"
        notes.add(C.ACTION, unknown, words, message)
        table[C.ACTION] = words.where(~unknown)
    if C.DURATION in raw.columns:
        seconds, wrong = to_numbers(raw[C.DURATION])
        wrong |= np.nan_to_num(seconds) < 0
        notes.add(C.DURATION, wrong, raw[C.DURATION], "is not a duration in seconds; treated as unknown")
        table[C.DURATION] = np.where(wrong, np.nan, seconds)
    table = table.assign(**{name: raw[name] for name in extra})
    del raw, users, listings, when  # sorting 50 million events needs as much memory again
    skipped = bad | strange | unnamed
    if skipped.any():
        table = table[~skipped]
    order = by_user_and_time(table[C.USER], table[time_name].astype("int64").to_numpy())
    if order is not None:
        table = table.take(order)
    return table.reset_index(drop=True), actions, notes.issues


def _id_hint(ids: pd.Series, users: pd.Series, listing_ids: pd.Index) -> str:
    """Return why none of the `ids` of events is a listing: other columns, or another spelling; "" where neither seems so."""
    if 2 * users.isin(listing_ids).sum() > len(users):
        return ", but user_id is, so that the two columns seem to be swapped"
    spellings = {_spelling(listing): listing for listing in listing_ids}
    for text in ids.dropna().unique()[:_SAMPLE]:
        if _ROUNDED.fullmatch(text):
            return " but a number that a spreadsheet rounded (export the column as text)"
        for part in (text, text.rstrip("/").rpartition("/")[2]):  # the id alone, and at the end of a URL
            if (listing := spellings.get(_spelling(part))) is not None:
                return f", which spells it {listing!a}"
    return ""


def _spelling(listing: str) -> str:
    """Return what the spellings of an id have in common: neither case nor punctuation nor leading zeros."""
    return re.sub(r"[\W_]", "", listing).casefold().lstrip("0")


def _date_issue(column: pd.Series, bad: np.ndarray) -> str:
    """Return what is wrong with the cells of a column that are no dates."""
    days = to_numbers(column[bad])[0]
    return _DATE + (_SPREADSHEET_DAY if len(days) and ((days > 2e4) & (days < 8e4)).all() else "")


def _times(raw: pd.DataFrame, name: str, now: pd.Timestamp, notes: Notes) -> tuple[pd.Series, np.ndarray]:
    """Return the times of events, moments or positions (N,), and (N,) bool: the rows to skip, which have no valid time."""
    if name == C.TIMESTAMP:
        moments, bad = to_moments(raw[name])
        bad |= raw[name].isna().to_numpy()
        notes.add(name, bad, raw[name], f"{_date_issue(raw[name], bad)}; the event is skipped")
        future = (moments > now).to_numpy()
        notes.add(name, future, raw[name], "lies in the future; the event is skipped")
        return moments, bad | future
    values = to_numbers(raw[name])[0]
    bad = np.isnan(values) | (values != np.floor(values)) | (np.abs(values) > 2**53)
    notes.add(name, bad, raw[name], "is not an integer; the event is skipped")
    return pd.Series(np.where(bad, 0, values)).astype("int64"), bad


def check_unwanted(events: pd.DataFrame, actions: list[str], path: Path, config: MarketConfig) -> list[Issue]:
    """Check the actions that market.toml lists as unwanted against those of the events.

    Raises:
        VibesError: all actions are unwanted, or one is misspelled.
    """
    if "unwanted" not in config.model_fields_set:
        return []
    issues = _check_names("unwanted", config.unwanted, [*actions, HIDE], actions, path)
    if actions and set(actions) <= set(config.unwanted) and len(events) and events[C.ACTION].notna().all():
        raise VibesError(
            f"market.toml lists all actions of {path} as unwanted ({', '.join(actions)}), so that no event is positive; "
            "remove one there."
        )
    return issues


def source_table(folder: Path, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return the table `name`.csv.gz or `name`.csv of a source folder; every cell as text, empty ones missing.

    Raises:
        VibesError: there is no such file, it cannot be read, or it lacks one of `columns`.
    """
    results = [path for path in (folder / f"{name}.csv.gz", folder / f"{name}.csv") if path.is_file()]
    if not results:
        raise VibesError(f"{folder} holds no {name}.csv.gz or {name}.csv; give the folder that holds it.")
    table = read_table(results[0])
    require(table, results[0], columns)
    return table


def moments_or_text(column: pd.Series) -> pd.Series:
    """Return a column as UTC moments where every cell is one; else unchanged, so that the market's check reports the others."""
    moments, bad = to_moments(column)
    return column if bad.any() else moments
