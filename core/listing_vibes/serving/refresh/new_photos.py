"""Photo files of new listings, copied into the market and named by the hash of their content or URL.

A file of rows is read again by every refresh as long as one of its photos cannot be read or fetched, for a day.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.guard import Limits
from listing_vibes.market.download.job import fetch_photos
from listing_vibes.market.durable import copy_file
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import photo_problem
from listing_vibes.market.photo_files import PhotoProblem, digest, locate, path_of, with_paths
from listing_vibes.market.tables import Issue, photos_table, require
from listing_vibes.market.values import as_ids, to_numbers
from listing_vibes.serving.refresh.merge import Changes
from listing_vibes.serving.refresh.polls import Frame
from listing_vibes.serving.refresh.publication import raw_table

#: Seconds after which photos that still cannot be read or fetched are given up: a day.
PATIENCE_S = 86_400.0


def merge_photos(
    market: Market,
    frames: Sequence[Frame],
    failing: Mapping[str, float],
    limits: Limits | None,
    now: float,
    changes: Changes,
) -> dict[str, float]:
    """Append the photos of `frames` to those of each listing, after the market's listings are merged.

    Args:
        failing: since when frames have photos that fail, in seconds since 1970.
        limits: limits for fetching photos by URL; None: only those fetched before are used.

    Returns:
        The next `failing`.
    """
    photos, still_failing = list[tuple[str, str]](), dict[str, float]()
    for frame in frames:
        try:
            rows, failed = _photo_rows(market.path, frame, limits, changes)
        except VibesError as error:
            changes.problems.append(str(error))
            continue
        photos += rows
        name = f"{frame.key} {frame.mark}"
        since = failing.get(name, now)
        if failed and now - since < PATIENCE_S:
            still_failing[name] = since
            changes.photos_waiting += failed
        else:
            changes.taken.append(("photos", frame))
    if photos:
        append_photos(market, pd.DataFrame(photos, columns=[C.LISTING, C.PATH], dtype="str"), changes)
    return still_failing


def append_photos(market: Market, rows: pd.DataFrame, changes: Changes) -> None:
    """Append the photos `rows` (listing_id, path) to those of each listing; photos of unknown listings wait for them."""
    keys, table = [C.LISTING, C.PATH], _stored_photos(market)
    before = pd.MultiIndex.from_frame(table[keys])
    rows = rows[~pd.MultiIndex.from_frame(rows[keys]).isin(before)].drop_duplicates(keys)
    if rows.empty:
        return
    if C.POSITION in table:
        first = rows[C.LISTING].map(table.groupby(C.LISTING)[C.POSITION].max()).fillna(-1) + 1
        rows = rows.assign(**{C.POSITION: first + rows.groupby(C.LISTING).cumcount()})
        table = table.astype({C.POSITION: "float64"})
    changes.changed |= set(rows[C.LISTING]) & set(market.listings[C.LISTING])
    changes.encoded = True
    columns = [name for name in table.columns if name in rows]
    changes.tables["photos"] = pd.concat([table, rows[columns]], ignore_index=True)


def _stored_photos(market: Market) -> pd.DataFrame:
    """Return all rows of the photos table: `listing_id, path` and optionally `position`."""
    raw = raw_table(market, "photos")
    if raw.empty:
        return market.photos
    raw = with_paths(raw)
    table = raw.assign(**{C.LISTING: as_ids(raw[C.LISTING]), C.PATH: raw[C.PATH].astype("str")})
    if C.POSITION in raw:
        table[C.POSITION] = to_numbers(raw[C.POSITION])[0]
    return table


def _photo_rows(
    market: Path, frame: Frame, limits: Limits | None, changes: Changes
) -> tuple[list[tuple[str, str]], int]:
    """Return the photos of a frame, as listing and path inside the market, cover first; and how many could not be read or fetched.

    Paths in a file are relative to that file and must not leave its folder; the photos are copied to
    `photos/HASH.suffix`, so that a file in the market never changes its content. Paths from a database are relative to the
    market and must exist. An unusable photo is an issue.

    Raises:
        VibesError: the frame lacks a column.
    """
    if frame.rows.empty:
        return [], 0
    name, raw = Path(frame.name), with_paths(frame.rows.reset_index(drop=True))
    require(raw, name, (C.LISTING, C.PATH))
    fetched = _fetch(market, raw, limits)
    ids = as_ids(raw[C.LISTING])
    table, issues = photos_table(raw, name, pd.Index(ids[ids != ""].dropna().unique()))
    rows = list[tuple[str, str]]()
    for row, listing, path in table[[C.LISTING, C.PATH]].itertuples(name=None):
        try:
            if fetched.get(path):
                raise PhotoProblem(f"was not fetched ({fetched[path]})")
            if path in fetched or frame.folder is None:
                locate(market, path)
            else:
                path = _copy_into_market(market, frame.folder, path)
        except PhotoProblem as problem:
            what = f"of listing '{listing}' is skipped: {problem}"
            issues.append(Issue(name.name, C.PATH, row + 1, path, what, rows=np.array([row])))
        else:
            rows.append((listing, path))
    changes.issues += issues
    return rows, len(table) - len(rows)


def _fetch(market: Path, raw: pd.DataFrame, limits: Limits | None) -> dict[str, str]:
    """Return by path of each photo with a URL: why its file is missing, or nothing.

    The path of such a photo is derived from its URL even if the table gives a path, since that one has another base.
    """
    if C.URL not in raw:
        return {}
    addressed = raw[C.URL].notna()
    raw.loc[addressed, C.PATH] = raw.loc[addressed, C.URL].map(path_of)
    requested = dict(zip(raw.loc[addressed, C.PATH], raw.loc[addressed, C.URL], strict=True))
    if limits is not None:
        return dict.fromkeys(requested, "") | fetch_photos(market, requested, limits).failed
    problem = "it is not fetched; `vibes refresh --download` fetches photos by their URLs"
    return {path: "" if (market / path).is_file() else problem for path in requested}


def _copy_into_market(market: Path, folder: Path, path: object) -> str:
    """Copy a photo of a folder into the market, unless it exists there; return its path inside the market."""
    file = locate(folder, path)
    if problem := photo_problem(str(path), folder):
        raise PhotoProblem(problem)
    inside = f"photos/{digest(file)[:32]}{file.suffix.lower()}"
    if not (market / inside).is_file():
        copy_file(file, market / inside)
    return inside
