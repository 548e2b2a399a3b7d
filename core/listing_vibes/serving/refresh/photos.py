"""Photo files of new listings, brought into the market under the name of their content or of their address.

A photo that cannot be read or fetched is tried again at later looks: at the next one, and whenever it waits twice as long as at
the try before, until it waited `PATIENCE_S`. A refresh that starts tries all of them at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.files import PhotoProblem, locate, read
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.defects import Defect, Notes
from listing_vibes.market.download.job import fetch_photos
from listing_vibes.market.download.limits import Limits
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.photo_check import photo_problem
from listing_vibes.market.photo_folders import PhotoFolders
from listing_vibes.market.photo_urls import path_of, with_paths
from listing_vibes.market.tables import as_ids, require
from listing_vibes.market.values import to_numbers
from listing_vibes.serving.refresh.changes import Changes
from listing_vibes.serving.refresh.sources import Frame
from listing_vibes.serving.refresh.waiting import MOST_WAITING, newest
from listing_vibes.words import count

#: Seconds after which a photo that still fails is given up: a day.
PATIENCE_S = 86_400.0
#: Of a photo that waits: the frame that named it, where its path starts; when it first failed, and when it was last tried.
_FRAME, _FOLDER, _SINCE, _TRIED = "frame", "folder", "since", "tried"


def new_photos(
    market: Path,
    frames: Sequence[Frame],
    waiting: pd.DataFrame,
    limits: Limits | None,
    now: float,
    changes: Changes,
) -> pd.DataFrame:
    """The photos of `frames` and of those `waiting`: `listing_id, path`; what waits from now on is set in `changes`.

    Args:
        now: seconds since 1970.
    """
    parts, waits = [], [waiting]
    if len(waiting):
        due = now - waiting[_TRIED] >= waiting[_TRIED] - waiting[_SINCE]
        waits, given_up = [waiting[~due]], []
        for (name, folder), rows in waiting[due].groupby([_FRAME, _FOLDER], dropna=False, sort=False):
            place = Path(folder) if isinstance(folder, str) else None
            frame = Frame(name, rows[[C.LISTING, C.PATH, C.URL]], place, {}, now)
            found, failed, defects = photo_rows(market, frame, limits)
            parts.append(found)
            old = (now - rows[_SINCE].iloc[failed] >= PATIENCE_S).to_numpy(bool)
            waits.append(rows.iloc[failed][~old].assign(**{_TRIED: now}))
            given_up += [defect for defect, gone in zip(defects, old, strict=True) if gone]
        if given_up:
            changes.problems.append(
                f"{count(len(given_up), 'photo')} could not be had for a day and {'is' if len(given_up) == 1 else 'are'} given "
                f"up, the first '{given_up[0].value}' {given_up[0].message}. Mend the files or addresses, and deliver the rows again."
            )
    for frame in frames:
        if frame.rows.empty:
            changes.taken.append(("photos", frame))
            continue
        try:
            fresh = _without(frame, waiting)
            found, failed, defects = photo_rows(market, fresh, limits)
        except VibesError as error:
            changes.problems.append(str(error))
            continue
        parts.append(found)
        waits.append(_waiting(fresh, failed, now))
        changes.note(fresh, defects)
        changes.taken.append(("photos", frame))
    rows = pd.concat(waits, ignore_index=True)
    if len(rows):  # of those that are told again the first failure counts
        rows = rows.drop_duplicates([_FOLDER, C.LISTING, C.PATH])
    changes.waiting["photos"], lost = newest(rows)
    if lost:
        changes.problems.append(
            f"More than {MOST_WAITING:,} photos wait for a file that can be read; the {lost:,} that wait longest are given up. "
            "Deliver the files before the rows."
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[C.LISTING, C.PATH])


def due_at_once(waiting: pd.DataFrame) -> pd.DataFrame:
    """The same photos, of which none has to wait for its next try."""
    return waiting.assign(**{_TRIED: waiting[_SINCE]}) if len(waiting) else waiting


def named(waiting: pd.DataFrame) -> set[tuple[object, ...]]:
    """Which photos wait, whenever they were tried."""
    columns = [waiting[name] for name in (_FOLDER, C.LISTING, C.PATH)] if len(waiting) else []
    return set(zip(*(column.where(column.notna(), None) for column in columns), strict=True))


def _without(frame: Frame, waiting: pd.DataFrame) -> Frame:
    """The rows of a frame but those that wait: a query tells them at each look, and they have their own moments of being tried.

    Who puts a file into a folder once more wants its rows tried now.

    Raises:
        VibesError: the frame lacks a column.
    """
    if "files" in frame.mark or not len(waiting):
        return frame
    require(with_paths(frame.rows), Path(frame.name), (C.LISTING, C.PATH))
    rows, waits = _waiting(frame, list(range(len(frame.rows))), 0.0), named(waiting)
    told = zip(rows[_FOLDER].where(rows[_FOLDER].notna(), None), rows[C.LISTING], rows[C.PATH], strict=True)
    again = rows.index[[one in waits for one in told]]
    return replace(frame, rows=frame.rows.reset_index(drop=True).drop(index=again))


def _waiting(frame: Frame, failed: list[int], now: float) -> pd.DataFrame:
    """The rows `failed` of a frame, by their numbers, as they are kept until the next try."""
    raw = with_paths(frame.rows.reset_index(drop=True).iloc[failed])
    raw = raw.reindex(columns=[C.LISTING, C.PATH, C.URL])
    rows = raw.assign(**{C.LISTING: as_ids(raw[C.LISTING])}).astype({C.PATH: "str", C.URL: "str"})
    folder = None if frame.folder is None else str(frame.folder.resolve())
    told = {_FRAME: frame.name, _FOLDER: pd.Series(folder, rows.index, dtype="str"), _SINCE: now, _TRIED: now}
    return rows.assign(**told)[rows[C.PATH].notna()]  # without a path there is nothing to try


def photo_rows(
    market: Path, frame: Frame, limits: Limits | None = None
) -> tuple[pd.DataFrame, list[int], list[Defect]]:
    """The photos of a frame: `listing_id, path`, the path inside the market, cover first.

    Paths of a folder's file start at that file and must not leave its folder; the photos are copied to
    `photos/HASH.suffix`, so that a file in the market never changes its content. Paths of a database start at the
    market and must be there. Photos that are named by an address are fetched within `limits` (None: only those that are
    there already are taken). Beside them: the rows of `frame` that could not be read or fetched, and what cannot be used, a
    defect a photo, at the end those of these rows.

    Raises:
        VibesError: the frame lacks a column.
    """
    name = Path(frame.name)
    raw, notes = with_paths(frame.rows.reset_index(drop=True)), Notes(name.name)
    require(raw, name, (C.LISTING, C.PATH))
    notes.unread(raw, (C.LISTING, C.PATH, C.URL, C.POSITION))
    away = _fetched(market, raw, limits)
    table = pd.DataFrame({C.LISTING: as_ids(raw[C.LISTING]), C.PATH: raw[C.PATH]})
    nobody = (table[C.LISTING].isna() | (table[C.LISTING] == "")).to_numpy(bool)
    notes.add(C.LISTING, nobody, raw[C.LISTING], "is empty; the photo is skipped")
    if C.POSITION in raw:
        position, bad = to_numbers(raw[C.POSITION])
        notes.add(C.POSITION, bad, raw[C.POSITION], "is no number; the photo goes last")
        table = table.iloc[position.argsort(kind="stable")]
    rows, failed = [], []
    for row, listing, path in table[~nobody[table.index]].itertuples(name=None):
        try:
            if path in away or frame.folder is None:
                if away.get(path):
                    raise PhotoProblem(away[path])
                locate(market, path)
            else:
                path = _brought(market, _whole(frame.folder, path))
        except PhotoProblem as problem:
            what = f"of listing '{listing}' is skipped: {problem}"
            shown = path if isinstance(path, str) else ""
            notes.defects.append(Defect(name.name, C.PATH, row + 1, shown, what, rows=np.array([row])))
            failed.append(row)
        else:
            rows.append((listing, path))
    return pd.DataFrame(rows, columns=[C.LISTING, C.PATH]), failed, notes.defects


def _fetched(market: Path, raw: pd.DataFrame, limits: Limits | None) -> dict[str, str]:
    """By the path of each photo with an address: why its file is not there, or nothing.

    Of such a photo the path is a name of its address, also where the table gives one: that one starts elsewhere.
    """
    if C.URL not in raw:
        return {}
    addressed = raw[C.URL].notna()
    raw.loc[addressed, C.PATH] = raw.loc[addressed, C.URL].map(path_of)
    wanted = dict(zip(raw.loc[addressed, C.PATH], raw.loc[addressed, C.URL], strict=True))
    if limits is not None:
        failed = fetch_photos(market, wanted, limits).failed
        return {path: failed.get(path, "") for path in wanted}
    said = "it is not fetched; `vibes refresh --download` fetches photos by their addresses"
    return {path: "" if (market / path).is_file() else said for path in wanted}


def _whole(folder: Path, path: object) -> Path:
    """The file of a photo, which a picture can be made of: one that is being written waits until it is whole.

    Raises:
        PhotoProblem: it is not there, leaves the folder, or is no picture.
    """
    file = locate(folder, path)
    if problem := photo_problem(str(path), PhotoFolders(folder, None)):
        raise PhotoProblem(f"the file {problem}")
    return file


def _brought(market: Path, file: Path) -> str:
    """Copy a file into the market, unless it is there; returns its path inside.

    Raises:
        PhotoProblem: it cannot be read.
    """
    content = read(file)
    path = f"photos/{hashlib.sha256(content).hexdigest()[:32]}{file.suffix.lower()}"
    if not (market / path).is_file():
        with atomic_path(market / path) as temporary:
            temporary.write_bytes(content)
    return path
