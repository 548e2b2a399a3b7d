"""Read a source's tables, and validate the three of a market: repairable issues become `Issue`s, others raise an error."""

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import HIDE, MarketConfig
from listing_vibes.market.io import read_table
from listing_vibes.market.moments import to_moments
from listing_vibes.market.photo_files import leaves_market, with_paths
from listing_vibes.market.values import as_ids, by_user_and_time, rows_in, to_numbers

#: The columns that each table needs; of those separated by " or " one.
NEEDED = {
    "listings": (C.LISTING,),
    "photos": (C.LISTING, f"{C.PATH} or {C.URL}"),
    "events": (C.USER, C.LISTING, f"{C.TIMESTAMP} or {C.POSITION}"),
}
_SAMPLE = 1_000  # ids of events that are compared with those of listings in another spelling
_DATE = "is not an unambiguous date such as 2024-01-31"
_SPREADSHEET_DAY = " but a day number of a spreadsheet (export the column formatted as a date)"
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


def check_names(
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


def read_columns(raw: pd.DataFrame, path: Path, name: str) -> tuple[pd.DataFrame, Notes]:
    """Return the table `name`, which must have the columns that it needs, and a collector of its issues."""
    require(raw, path, NEEDED[name])
    return raw.reset_index(drop=True), Notes(path.name)


def photos_table(raw: pd.DataFrame, path: Path, listing_ids: pd.Index) -> tuple[pd.DataFrame, list[Issue]]:
    """Validate `photos`: count and skip rows of unknown listings and paths that leave the market.

    A photo with a URL gets the path of its downloaded file (`listing_vibes.market.photo_files`). The index of the result is the row
    of each photo.
    """
    raw, notes = read_columns(raw, path, "photos")
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
    raw, notes = read_columns(raw, path, "events")
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


def date_issue(column: pd.Series, bad: np.ndarray) -> str:
    """Return what is wrong with the cells of a column that are no dates."""
    days = to_numbers(column[bad])[0]
    return _DATE + (_SPREADSHEET_DAY if len(days) and ((days > 2e4) & (days < 8e4)).all() else "")


def _times(raw: pd.DataFrame, name: str, now: pd.Timestamp, notes: Notes) -> tuple[pd.Series, np.ndarray]:
    """Return the times of events, moments or positions (N,), and (N,) bool: the rows to skip, which have no valid time."""
    if name == C.TIMESTAMP:
        moments, bad = to_moments(raw[name])
        bad |= raw[name].isna().to_numpy()
        notes.add(name, bad, raw[name], f"{date_issue(raw[name], bad)}; the event is skipped")
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
    issues = check_names("unwanted", config.unwanted, [*actions, HIDE], actions, path)
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
