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
from listing_vibes.market.arrow import to_frame, to_whole
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import first_problem
from listing_vibes.market.io import without_categories
from listing_vibes.market.photo_urls import is_url
from listing_vibes.market.tables import require
from listing_vibes.market.values import named

#: Columns that a frame may carry as its index, as a frame does after `set_index`.
KEYS = (C.LISTING, C.USER)


def source_of(name: str) -> Path:
    """What messages call the frame of a table, in the place of its file."""
    return Path(f"{name} frame")


def as_table(frame: Any, name: str) -> pd.DataFrame:
    """A frame as parquet holds it: a new one, with text for names of columns and for cells that have no common type.

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
        first = ascii(frame.columns[0])[:80] if len(frame.columns) else "none"
        raise VibesError(
            f"{source_of(name)} has names of {frame.columns.nlevels} levels for its columns, the first of which is {first}; give "
            "each column one name."
        )
    keyed = any(level in KEYS for level in frame.index.names)
    table = frame.reset_index(drop=not keyed).rename(columns=str)
    require(table, source_of(name), ())
    table = without_categories(table)
    return table.assign(
        **{str(column): _storable(table[column], source_of(name)) for column in table.columns}
    )


def _storable(column: pd.Series, source: Path) -> pd.Series:
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    if column.dtype != object:
        real = pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind != "c"
        known = real or pd.api.types.is_string_dtype(column.dtype)
        moment = pd.api.types.is_datetime64_any_dtype(column.dtype) or column.dtype.kind == "m"
        return column if known or moment else column.map(str, na_action="ignore")
    try:
        # pandas would map whole numbers, some of them missing, to floats.
        whole = pd.api.types.infer_dtype(column, skipna=True) == "integer"
        cells = column if whole else column.map(_listed, na_action="ignore")
        try:
            held = pa.array(cells, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            held = pa.array(cells.map(_worded, na_action="ignore"), pa.string(), from_pandas=True)
    except UnicodeEncodeError as error:
        raise VibesError(
            f"{source}, column {column.name}, holds {error.object[error.start : error.end]!r}, half of a letter, which no file can "
            "hold; replace such letters, as with .encode('utf-8', 'replace')."
        ) from error
    if pa.types.is_integer(held.type) and held.null_count:
        return to_whole(held)
    return held.to_pandas()  # as the cells come back from the file: decimals of one scale, durations as such


def _listed(cell: Any) -> Any:
    if isinstance(cell, set | frozenset):
        return sorted(map(str, cell))
    if not isinstance(cell, list | tuple | np.ndarray):
        return cell
    return [member if isinstance(member, dict) else str(member) for member in named(cell)]


def _worded(cell: Any) -> str:
    return "|".join(map(str, cell)) if isinstance(cell, list) else str(cell)


def config_of(config: MarketConfig | Mapping[str, Any] | Path | str | None, **keys: Any) -> MarketConfig:
    """A configuration, or its keys, or a file such as `market.toml`; `keys` replace what it says.

    A kind alone, as in `attributes={"price": "number"}`, stands for an attribute's settings.

    Raises:
        VibesError: no such file, an unknown key, or a value of a wrong type.
    """
    if isinstance(config, str | Path):
        if not Path(config).is_file():
            raise VibesError(
                f"There is no file {config}; give one such as market.toml, or the keys themselves."
            )
        config = MarketConfig.load(Path(config))
    if isinstance(config, MarketConfig):
        config = config.model_dump(exclude_unset=True)
    content = {**(config or {}), **keys}
    if isinstance(content.get("attributes"), Mapping):
        content["attributes"] = {
            str(name): {"kind": setting} if isinstance(setting, str) else setting
            for name, setting in content["attributes"].items()
        }
    try:
        return MarketConfig.model_validate(content)
    except ValidationError as error:
        raise VibesError(f"The market's settings: {first_problem(error, MarketConfig)}") from error


def photo_paths(photos: pd.DataFrame, root: Path | str | None) -> tuple[pd.DataFrame, Path]:
    """Photos with paths that start at one folder, as a market has them, and that folder.

    Args:
        photos: with `path`: absolute, starting at `root`, or an address, which stays one; or with `url`.
        root: None: the current folder, or, where paths are absolute or climb out of it, one that all lie below.

    Raises:
        VibesError: no `path` column, or not one of the files is there.
    """
    if C.URL in photos and C.PATH not in photos:
        return photos, Path(os.path.abspath(root or "."))
    require(photos, source_of("photos"), (C.PATH,))
    given = photos[C.PATH].dropna().astype("str")
    names = given[~given.map(is_url)]
    folder = os.path.abspath(root or ".")
    whole = {name: os.path.abspath(os.path.join(folder, name)) for name in names.unique()}
    if root is None and len(names) and any(not _below(path, folder) for path in whole.values()):
        folder = os.path.dirname(os.path.commonpath([os.path.dirname(path) for path in whole.values()]))
    inside = names.map({name: _below(path, folder) or name for name, path in whole.items()})
    if len(inside) and C.URL not in photos and not any(map(os.path.isfile, whole.values())):
        raise VibesError(
            f"photos frame, column {C.PATH}: not one of {len(whole):,} files is there (the first would be "
            f"{whole[names.iloc[0]]}); give the folder that the paths start at as photo_root."
        )
    paths = given.mask(given.index.isin(names.index), inside)
    return photos.assign(**{C.PATH: paths.reindex(photos.index)}), Path(folder)


def _below(path: str, folder: str) -> str | None:
    """An absolute path as it reads from `folder`; None where it does not lie below it."""
    for start in (folder, os.path.realpath(folder)):
        if Path(path).is_relative_to(start):
            return Path(path).relative_to(start).as_posix()
    return None


def temporary_folder() -> Path:
    """Return a folder for a market that is removed when Python ends."""
    made, owner = Path(tempfile.mkdtemp(prefix="listing-vibes-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a worker that was forked leaves the folder to its parent
            shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
    return made / "market"
