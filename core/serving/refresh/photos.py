"""Photo files of new listings, brought into the market under the name of their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from core.features.photos.files import PhotoProblem, locate, read
from core.market.columns import Columns as C
from core.market.io import atomic_path
from core.market.tables import as_ids, require
from core.market.values import to_numbers
from core.serving.refresh.sources import Frame


def photo_rows(market: Path, frame: Frame, problems: list[str]) -> pd.DataFrame:
    """The photos of a frame: `listing_id, path`, the path inside the market, cover first.

    Paths of a folder's file start at that file and must not leave its folder; the photos are copied to
    `photos/HASH.suffix`, so that a file in the market never changes its content. Paths of a database start at the
    market and must be there. What cannot be used is told in `problems`.

    Raises:
        VibesError: the frame lacks a column.
    """
    require(frame.rows, Path(frame.name), (C.LISTING, C.PATH))
    table = pd.DataFrame({C.LISTING: as_ids(frame.rows[C.LISTING]), C.PATH: frame.rows[C.PATH]})
    if C.POSITION in frame.rows:
        order = to_numbers(frame.rows[C.POSITION].reset_index(drop=True))[0].argsort(kind="stable")
        table = table.iloc[order]
    rows = []
    for listing, path in zip(table[C.LISTING], table[C.PATH], strict=True):
        try:
            if frame.folder is None:
                locate(market, path)
            else:
                path = _brought(market, locate(frame.folder, path))
        except PhotoProblem as problem:
            problems.append(f"{frame.name}: the photo '{path}' of listing '{listing}' is skipped: {problem}.")
        else:
            rows.append((listing, path))
    return pd.DataFrame(rows, columns=[C.LISTING, C.PATH])


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
