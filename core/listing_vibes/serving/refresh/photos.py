"""Photo files of new listings, copied into the market and named by the hash of their content or URL.

A photo that cannot be read or fetched waits: every refresh tries it again, for a day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.job import fetch_photos
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.issues import Issue
from listing_vibes.market.photo_decoding import photo_problem
from listing_vibes.market.photo_files import PhotoProblem, locate, path_of, read, with_paths
from listing_vibes.market.tables import photos_table, require
from listing_vibes.market.values import as_ids
from listing_vibes.serving.refresh.merge import Changes
from listing_vibes.serving.refresh.sources import Frame
from listing_vibes.words import count

#: Seconds after which a photo that still cannot be read or fetched is dropped: a day.
PATIENCE_S = 86_400.0
#: Columns of photos that wait: the folder in which their path starts ("" for the market), and when they first failed.
FOLDER, SINCE = "folder", "since"


def new_photos(
    market: Path,
    frames: Sequence[Frame],
    waiting: pd.DataFrame,
    limits: Limits | None,
    now: float,
    changes: Changes,
) -> pd.DataFrame:
    """Return the photos of `frames` and of those that wait: `listing_id, path`; those that still wait are set in `changes`."""
    photos, waits = [pd.DataFrame({C.LISTING: [], C.PATH: []}, dtype="str")], [waiting[:0]]
    for folder, rows in waiting.groupby(FOLDER, sort=False) if len(waiting) else ():
        base = Path(str(folder)) if folder else None
        ready, failed, _ = photo_rows(
            market, Frame("", rows[[C.LISTING, C.PATH, C.URL]], folder=base), limits
        )
        photos.append(ready)
        waits.append(rows.iloc[failed])
    for frame in frames:
        try:
            if len(frame.rows):
                ready, failed, issues = photo_rows(market, frame, limits)
                photos.append(ready)
                waits.append(_rows_that_wait(frame, now).iloc[failed].dropna(subset=[C.PATH]))
                changes.issues += [(frame, issue) for issue in issues]
        except VibesError as error:
            changes.problems.append(str(error))
            continue
        changes.taken.append(("photos", frame))
    left = pd.concat(waits, ignore_index=True)
    if len(left):
        is_old = (now - left[SINCE] >= PATIENCE_S).to_numpy(bool)
        if is_old.any():
            changes.problems.append(
                f"{count(int(is_old.sum()), 'photo')} could not be read or fetched for a day and dropped, the first: "
                f"'{left[C.PATH][is_old].iloc[0]}'. Correct the files or URLs, and deliver the rows again."
            )
        left = left[~is_old].drop_duplicates([FOLDER, C.LISTING, C.PATH])
    changes.photos_waiting = left.reset_index(drop=True)
    return pd.concat(photos, ignore_index=True)


def _rows_that_wait(frame: Frame, now: float) -> pd.DataFrame:
    """Return the rows of a frame in the format of waiting photos."""
    rows = with_paths(frame.rows.reset_index(drop=True)).reindex(columns=[C.LISTING, C.PATH, C.URL])
    rows = rows.assign(**{C.LISTING: as_ids(rows[C.LISTING])}).astype({C.PATH: "str", C.URL: "str"})
    folder = "" if frame.folder is None else str(frame.folder.resolve())
    return rows.assign(**{FOLDER: folder, SINCE: now})


def photo_rows(
    market: Path, frame: Frame, limits: Limits | None = None
) -> tuple[pd.DataFrame, list[int], list[Issue]]:
    """Return the photos of a frame: `listing_id, path`, the path inside the market, cover first.

    Paths in a file are relative to that file and must not leave its folder; the photos are copied to
    `photos/HASH.suffix`, so that a file in the market never changes its content. Paths from a database are relative to the
    market and must exist. Photos given by a URL are fetched within `limits` (None: only those fetched before
    are used). Also returned are the rows of `frame` that could not be read or fetched, and one issue per unusable photo,
    with those of these rows last.

    Raises:
        VibesError: the frame lacks a column.
    """
    name, raw = Path(frame.name), with_paths(frame.rows.reset_index(drop=True))
    require(raw, name, (C.LISTING, C.PATH))
    fetched = _fetch(market, raw, limits)
    ids = as_ids(raw[C.LISTING])
    table, issues = photos_table(raw, name, pd.Index(ids[ids != ""].dropna().unique()))
    rows, failed = [], []
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
            value = path if isinstance(path, str) else ""
            issues.append(Issue(name.name, C.PATH, row + 1, value, what, rows=np.array([row])))
            failed.append(row)
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
    """Copy a photo of a folder into the market, unless it exists there; return its path inside the market.

    Raises:
        PhotoProblem: the file is missing, outside the folder, not an image, or still being written.
    """
    file = locate(folder, path)
    if problem := photo_problem(str(path), folder):
        raise PhotoProblem(problem)
    content = read(file)
    inside = f"photos/{hashlib.sha256(content).hexdigest()[:32]}{file.suffix.lower()}"
    if not (market / inside).is_file():
        with atomic_path(market / inside) as temporary:
            temporary.write_bytes(content)
    return inside
