"""Photo files of new listings, copied into the market and named by the hash of their content or URL.

A file of rows is read again by every refresh as long as one of its photos cannot be read or fetched, for a day.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.job import fetch_photos
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.durable import copy_file
from listing_vibes.market.photo_decoding import photo_problem
from listing_vibes.market.photo_files import PhotoProblem, digest, locate, path_of, with_paths
from listing_vibes.market.tables import Issue, photos_table, require
from listing_vibes.market.values import as_ids
from listing_vibes.serving.refresh.merge import Changes
from listing_vibes.serving.refresh.sources import Frame

#: Seconds after which photos that still cannot be read or fetched are given up: a day.
PATIENCE_S = 86_400.0


def new_photos(
    market: Path,
    frames: Sequence[Frame],
    failing: Mapping[str, float],
    limits: Limits | None,
    now: float,
    changes: Changes,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return the photos of `frames`: `listing_id, path`; and since when frames have photos that fail, in seconds since 1970."""
    photos, still_failing = [pd.DataFrame({C.LISTING: [], C.PATH: []}, dtype="str")], dict[str, float]()
    for frame in frames:
        failed = 0
        try:
            if len(frame.rows):
                ready, failed, issues = photo_rows(market, frame, limits)
                photos.append(ready)
                changes.issues += issues
        except VibesError as error:
            changes.problems.append(str(error))
            continue
        name = f"{frame.key} {frame.mark}"
        since = failing.get(name, now)
        if failed and now - since < PATIENCE_S:
            still_failing[name] = since
            changes.photos_waiting += failed
        else:
            changes.taken.append(("photos", frame))
    return pd.concat(photos, ignore_index=True), still_failing


def photo_rows(
    market: Path, frame: Frame, limits: Limits | None = None
) -> tuple[pd.DataFrame, int, list[Issue]]:
    """Return the photos of a frame: `listing_id, path`, the path inside the market, cover first.

    Paths in a file are relative to that file and must not leave its folder; the photos are copied to
    `photos/HASH.suffix`, so that a file in the market never changes its content. Paths from a database are relative to the
    market and must exist. Photos given by a URL are fetched within `limits` (None: only those fetched before
    are used). Also returned are how many could not be read or fetched, and one issue per unusable photo.

    Raises:
        VibesError: the frame lacks a column.
    """
    name, raw = Path(frame.name), with_paths(frame.rows.reset_index(drop=True))
    require(raw, name, (C.LISTING, C.PATH))
    fetched = _fetch(market, raw, limits)
    ids = as_ids(raw[C.LISTING])
    table, issues = photos_table(raw, name, pd.Index(ids[ids != ""].dropna().unique()))
    rows, failed = [], 0
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
            failed += 1
        else:
            rows.append((listing, path))
    return pd.DataFrame(rows, columns=[C.LISTING, C.PATH]), failed, issues


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
