"""Photo files of new listings, brought into the market under the name of their content or of their address."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from core.features.photos.files import PhotoProblem, locate, read
from core.market.columns import Columns as C
from core.market.defects import Defect
from core.market.download.job import bring
from core.market.download.limits import Limits
from core.market.durable import atomic_path
from core.market.photo_urls import path_of, with_paths
from core.market.tables import Notes, as_ids, require
from core.market.values import to_numbers
from core.serving.refresh.sources import Frame


def photo_rows(market: Path, frame: Frame, limits: Limits | None = None) -> tuple[pd.DataFrame, list[Defect]]:
    """The photos of a frame: `listing_id, path`, the path inside the market, cover first.

    Paths of a folder's file start at that file and must not leave its folder; the photos are copied to
    `photos/HASH.suffix`, so that a file in the market never changes its content. Paths of a database start at the
    market and must be there. Photos that are named by an address are fetched within `limits` (None: only those that are
    there already are taken). What cannot be used is told beside them, a defect a photo.

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
    rows = []
    for row, listing, path in table[~nobody[table.index]].itertuples(name=None):
        try:
            if path in away or frame.folder is None:
                if away.get(path):
                    raise PhotoProblem(away[path])
                locate(market, path)
            else:
                path = _brought(market, locate(frame.folder, path))
        except PhotoProblem as problem:
            what = f"of listing '{listing}' is skipped: {problem}"
            shown = path if isinstance(path, str) else ""
            notes.defects.append(Defect(name.name, C.PATH, row + 1, shown, what, rows=np.array([row])))
        else:
            rows.append((listing, path))
    return pd.DataFrame(rows, columns=[C.LISTING, C.PATH]), notes.defects


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
        failed = bring(market, wanted, limits).failed
        return {path: failed.get(path, "") for path in wanted}
    said = "it is not fetched; `vibes refresh --download` fetches photos by their addresses"
    return {path: "" if (market / path).is_file() else said for path in wanted}


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
