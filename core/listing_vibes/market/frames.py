"""Tables that lie in memory: made such that a market folder holds them, and a place on disk for that folder."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import first_problem
from listing_vibes.market.io import to_frame, without_categories
from listing_vibes.market.photo_urls import is_url
from listing_vibes.market.tables import require

#: Columns that a frame may carry as its index, as a frame does after `set_index`.
KEYS = (C.LISTING, C.USER)


def source_of(name: str) -> Path:
    """What messages call the frame of a table, in the place of its file."""
    return Path(f"{name} frame")


def as_table(frame: Any, name: str) -> pd.DataFrame:
    """Return a frame as Parquet holds it, with text for names of columns and for cells that have no common type.

    Sets become sorted lists, categories what they stand for. A frame with `to_pandas` (polars, arrow) is taken as well.

    Raises:
        VibesError: it is no frame, or has a column twice or with names of several levels.
    """
    if isinstance(frame, pa.Table | pa.RecordBatch):
        frame = to_frame(frame)
    if not isinstance(frame, pd.DataFrame) and hasattr(frame, "to_pandas"):
        frame = frame.to_pandas()
    if not isinstance(frame, pd.DataFrame):
        raise VibesError(
            f"{name} is of the type {type(frame).__name__}; give a pandas DataFrame (a folder of files is opened with "
            "Market.open)."
        )
    if frame.columns.nlevels > 1:
        raise VibesError(
            f"{source_of(name)} has names of {frame.columns.nlevels} levels for its columns; give each column one name."
        )
    has_keys = any(level in KEYS for level in frame.index.names)
    table = without_categories(frame.reset_index(drop=not has_keys).rename(columns=str))
    require(table, source_of(name), ())
    return table.assign(**{column: _storable(table[column], source_of(name)) for column in table.columns})


def _storable(column: pd.Series, source: Path) -> pd.Series:
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    if column.dtype != object:
        has_type = column.dtype.kind in "biufmM" or pd.api.types.is_string_dtype(column.dtype)
        return column if has_type else column.map(str, na_action="ignore")
    cells = [_plain(cell) for cell in column]
    try:
        try:
            array = pa.array(cells, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            texts = ["|".join(cell) if isinstance(cell, list) else str(cell) for cell in cells]
            array = pa.array(texts, pa.string(), mask=column.isna().to_numpy(bool))
    except UnicodeEncodeError as error:
        raise VibesError(
            f"{source}, column {column.name}, holds {error.object[error.start : error.end]!r}, half of a letter, which no file can "
            "hold; replace such letters, as with .encode('utf-8', 'replace')."
        ) from error
    return to_frame(pa.table({"cells": array}))["cells"]  # as it comes back from the file


def _plain(cell: Any) -> Any:
    """Return the cell, of sets and lists a list of texts."""
    if isinstance(cell, set | frozenset):
        return sorted(map(str, cell))
    return list(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else cell


def config_of(config: MarketConfig | Mapping[str, Any] | Path | str | None, **keys: Any) -> MarketConfig:
    """Return a configuration, given as such, as its keys, or as a file such as `market.toml`; `keys` replace what it says.

    A type alone, as in `attributes={"price": "number"}`, stands for an attribute's settings.

    Raises:
        VibesError: no such file, an unknown key, or a value of a wrong type.
    """
    if isinstance(config, str | Path):
        if not Path(config).is_file():
            raise VibesError(f"There is no file {config}; give one such as market.toml, or its keys.")
        config = MarketConfig.load(Path(config))
    if isinstance(config, MarketConfig):
        config = config.model_dump(exclude_unset=True)
    content = {**(config or {}), **keys}
    attributes = content.get("attributes")
    if isinstance(attributes, Mapping):
        content["attributes"] = {
            str(name): {"kind": item} if isinstance(item, str) else item for name, item in attributes.items()
        }
    try:
        return MarketConfig.model_validate(content)
    except ValidationError as error:
        raise VibesError(f"The market's settings: {first_problem(error, MarketConfig)}") from error


def photo_paths(photos: pd.DataFrame, root: Path | str | None) -> tuple[pd.DataFrame, Path]:
    """Return photos with paths that start at one folder, as a market has them, and that folder.

    Args:
        photos: with `path`: absolute, starting at `root`, or an address, which stays one; or with `url`.
        root: None: the current folder, or, where paths are absolute or climb out of it, one that all lie below.

    Raises:
        VibesError: no `path` column, or not one of the files is there.
    """
    folder = os.path.abspath(root or ".")
    if C.URL in photos and C.PATH not in photos:
        return photos, Path(folder)
    require(photos, source_of("photos"), (C.PATH,))
    given = photos[C.PATH].dropna().astype("str")
    files = {name: os.path.abspath(os.path.join(folder, name)) for name in given.unique() if not is_url(name)}
    if files and C.URL not in photos and not any(map(os.path.isfile, files.values())):
        raise VibesError(
            f"photos frame, column {C.PATH}: not one of {len(files):,} files is there (the first would be "
            f"{next(iter(files.values()))}); give the folder that the paths start at as photo_root."
        )
    if root is None and any(not Path(file).is_relative_to(folder) for file in files.values()):
        folder = os.path.dirname(os.path.commonpath([os.path.dirname(file) for file in files.values()]))
    inside = {
        name: Path(file).relative_to(folder).as_posix() if Path(file).is_relative_to(folder) else name
        for name, file in files.items()
    }
    paths = photos[C.PATH].map(lambda name: inside.get(str(name), name), na_action="ignore")
    return photos.assign(**{C.PATH: paths}), Path(folder)


def temporary_folder() -> Path:
    """Return a folder for a market that is removed when Python ends."""
    created, owner = Path(tempfile.mkdtemp(prefix="listing-vibes-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a worker that was forked leaves the folder to its parent
            shutil.rmtree(created, ignore_errors=True)

    atexit.register(remove)
    return created / "market"
