"""Tables in memory: converted to what a market folder can store."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import validate
from listing_vibes.market.io import to_frame, without_categories
from listing_vibes.market.photo_files import is_url
from listing_vibes.market.tables import require

#: Columns that may be the index of a frame, as after `set_index`.
KEYS = (C.LISTING, C.USER)
#: The name of a market that exists in memory only, and its folder in messages where it has no photos.
IN_MEMORY = "market in memory"


def source_of(name: str) -> Path:
    """Return what messages call the frame of a table instead of a file."""
    return Path(f"{name} frame")


def as_table(frame: Any, name: str) -> pd.DataFrame:
    """Return a frame as Parquet stores it, with column names as text, and cells of mixed types as text.

    Sets become sorted lists and categories their values. Frames with `to_pandas` (polars, arrow) are accepted.

    Raises:
        VibesError: it is not a frame, has a column twice, or holds text that no file can store.
    """
    if isinstance(frame, pa.Table | pa.RecordBatch):
        frame = to_frame(frame)
    elif hasattr(frame, "to_pandas"):
        frame = frame.to_pandas()
    if not isinstance(frame, pd.DataFrame):
        raise VibesError(
            f"{name} is of the type {type(frame).__name__}; give a pandas DataFrame (a folder of files is opened with "
            "Market.open)."
        )
    has_keys = any(level in KEYS for level in frame.index.names)
    table = without_categories(frame.reset_index(drop=not has_keys))
    table.columns = pd.Index(map(str, table.columns))
    require(table, source_of(name), ())
    try:
        return table.assign(**{column: _storable(table[column]) for column in table.columns})
    except UnicodeEncodeError as error:
        raise VibesError(
            f"{source_of(name)} holds {error.object[error.start : error.end]!r}, a lone surrogate, which no file can store; "
            "replace such characters, for example with .encode('utf-8', 'replace')."
        ) from error


def _storable(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    if column.dtype != object:
        has_type = column.dtype.kind in "biufmM" or pd.api.types.is_string_dtype(column.dtype)
        return column if has_type else column.map(str, na_action="ignore")
    cells = [_plain(cell) for cell in column]
    try:
        array = pa.array(cells, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        texts = ["|".join(cell) if isinstance(cell, list) else str(cell) for cell in cells]
        array = pa.array(texts, pa.string(), mask=column.isna().to_numpy(bool))
    return to_frame(pa.table({"cells": array}))["cells"]  # as reading the file returns it


def _plain(cell: Any) -> Any:
    """Return the cell; sets and lists as a list of texts."""
    if isinstance(cell, set | frozenset):
        return sorted(map(str, cell))
    return list(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else cell


def config_of(config: MarketConfig | Mapping[str, Any] | Path | str | None, **keys: Any) -> MarketConfig:
    """Return a configuration, given as an object, its keys, or a file such as `market.toml`; `keys` override it.

    A type name, as in `attributes={"price": "number"}`, stands for the attribute's settings.

    Raises:
        VibesError: no such file, an unknown key, or a value of a wrong type.
    """
    if isinstance(config, str | Path):
        if not Path(config).is_file():
            raise VibesError(f"There is no file {config}; give one such as market.toml, or its keys.")
        config = MarketConfig.load(Path(config))
    if isinstance(config, MarketConfig):
        config = config.model_dump(exclude_unset=True)
    return validate(MarketConfig, {**(config or {}), **keys}, "The market's settings")


def photo_paths(photos: pd.DataFrame, root: Path | str | None) -> tuple[pd.DataFrame, Path]:
    """Return photos with paths relative to one folder, and that folder.

    Args:
        photos: with `path`: absolute, relative to `root`, or a URL, which stays; or with `url`.
        root: None: paths are relative to the current folder, and the folder is that of all photos.

    Raises:
        VibesError: there is no column `path`, or none of the files exists.
    """
    folder = os.path.abspath(root or ".")
    if C.URL in photos and C.PATH not in photos:
        return photos, Path(folder)
    require(photos, source_of("photos"), (C.PATH,))
    names = [name for name in photos[C.PATH].dropna().astype("str").unique() if not is_url(name)]
    files = {name: os.path.abspath(os.path.join(folder, name)) for name in names}
    if files and C.URL not in photos and not any(map(os.path.isfile, files.values())):
        raise VibesError(
            f"photos frame, column {C.PATH}: none of {len(files):,} files exists (the first is {files[names[0]]}); "
            "give the folder that the paths are relative to as photo_root."
        )
    if root is None and files:  # the folder above, so that no photo lies beside the tables
        folder = os.path.dirname(os.path.commonpath([os.path.dirname(file) for file in files.values()]))
    inside = {name: Path(os.path.relpath(file, folder)).as_posix() for name, file in files.items()}
    paths = photos[C.PATH].map(lambda name: inside.get(str(name), name), na_action="ignore")
    return photos.assign(**{C.PATH: paths}), Path(folder)
