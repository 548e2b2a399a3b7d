"""Validate the listings of a market: its columns and the types of its attributes; find columns that leak the future."""

import json
import re
from collections.abc import Sequence
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
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.moments import to_moments
from listing_vibes.market.tables import Issue, Notes, check_names, date_issue, read_columns
from listing_vibes.market.values import SEPARATOR, as_ids, is_ambiguous, to_numbers, with_points
from listing_vibes.words import capitalize, count, enumerated

#: pandas' name of a column without a name; one that was read and written again has a second number.
_NAMELESS = re.compile(r"Unnamed: \d+(\.\d+)?")
#: Listings that are published later than this from now are named, and this number of them without an end.
_FAR, _MANY = pd.Timedelta(days=366), 1_000
_PAIR = re.compile(r"-?\d{1,3}\.\d+[,;] ?-?\d{1,3}\.\d+")  # a latitude and a longitude
_UNIT = re.compile(r"-?\d[\d.,]*+ ?([^\d\s]\S{0,7})")  # a number with its unit
#: Names of columns whose values are known only after the moment of prediction.
LEAK_NAMES = re.compile(
    r"^(number_of_reviews.*|n_?reviews|reviews?_.*|.*_reviews?|rating.*|.*_rating|stars?|score.*|estimated_.*|availability_.*"
    r"|((number_of|num|n|total)_?)?(views?|clicks?|favou?rites?|likes?|saves|sales|orders|bookings)(_?(count|total))?"
    r"|has_availability|calendar_.*|last_.*|sold.*|is_sold|.*_sold"
    r"|days_on_market|final_price|closing_price|price_history|.*_ltm|.*_l30d|(host_)?is_superhost|host_(response|acceptance)_.*)$",
    re.IGNORECASE,
)
MOST_TEXTS = 20_000
#: From this share of cells with a rating on, and from this correlation with the number of events on, a column counts as a leak.
LEAST_SHARE, LEAST_CORRELATION = 0.05, 0.6
#: A rating or a number of reviews inside a text: "★4.87", "★New", "4.9/5", "4,5 out of 5", "231 reviews".
RATING_WORDS = (
    r"★\s*(?:\d(?:[.,]\d+)?|New)\s*(?:·|$)|\b[0-5](?:[.,]\d+)?\s*(?:/|out of)\s*5\b|\b\d+ reviews?\b"
)


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
    raw, notes = read_columns(raw, path, "listings")
    names = list(map(str, raw.columns))
    _check_described(names, path, config)
    raw, repeated = _without_repeated(raw, notes)
    reached = [name for name in names if name not in config.excluded]
    notes.issues += check_names("excluded", config.excluded, [*names, C.PLACE], reached, path)
    columns = {C.LISTING: _listing_ids(raw, path, repeated)}
    attributes: dict[str, AttributeConfig] = {}
    for name in names:
        if name == C.LISTING or name in config.unread:
            continue
        column = raw[name]
        if name in (C.PUBLISHED, C.EXPIRES):
            columns[name], bad = to_moments(column)
            notes.add(name, bad, column, f"{date_issue(column, bad)}; treated as unknown")
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


def leaks_by_name(names: list[str]) -> list[str]:
    """Return those of `names` whose wording suggests future knowledge (ratings, review counts, availability, ...)."""
    return [name for name in names if LEAK_NAMES.match(name)]


def leaks_by_text(texts: pd.DataFrame) -> list[str]:
    """Return the text columns in which a share of at least `LEAST_SHARE` of the cells has a rating or a number of reviews.

    At most `MOST_TEXTS` cells of a column are read, evenly spread, which estimates a share of .05 to about .003.
    """
    leaks = []
    for name in texts.columns:
        cells = texts[name].dropna().astype("str")
        cells = cells.iloc[np.linspace(0, len(cells) - 1, min(MOST_TEXTS, len(cells))).astype(int)]
        if len(cells) and cells.str.contains(RATING_WORDS, case=False).mean() >= LEAST_SHARE:
            leaks.append(name)
    return leaks


def leaks_by_counts(numbers: pd.DataFrame, events_per_listing: np.ndarray) -> list[str]:
    """Return the numeric columns whose Spearman correlation with the events per listing (L,) is at least `LEAST_CORRELATION`.

    An attribute that is known before the events seldom predicts popularity that well; a count taken afterwards does.
    """
    counts = pd.Series(events_per_listing)
    if counts.nunique() < 2:
        return []
    columns = {name: pd.Series(numbers[name].to_numpy(float)) for name in numbers.columns}
    columns = {name: item for name, item in columns.items() if item.count() >= 50 and item.nunique() >= 3}
    return [
        name
        for name, column in columns.items()
        if abs(np.corrcoef(column.dropna().rank(), counts.rank()[column.notna()])[0, 1]) >= LEAST_CORRELATION
    ]
