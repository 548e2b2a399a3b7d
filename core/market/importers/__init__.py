"""Importers: one module a source, each turning the source's own files into a market folder."""

from collections.abc import Callable
from pathlib import Path

from core.errors import VibesError
from core.market.importers.houses import import_houses
from core.market.importers.inside_airbnb import import_inside_airbnb
from core.market.importers.movielens_1m import import_movielens_1m
from core.market.importers.unisrec import import_unisrec

#: Importer by source name: (folder of the source, market folder) -> None.
SOURCES: dict[str, Callable[[Path, Path], None]] = {
    "houses": import_houses,
    "inside-airbnb": import_inside_airbnb,
    "movielens-1m": import_movielens_1m,
    "unisrec": import_unisrec,
}


def import_market(source: str, path: Path | str, market_path: Path | str) -> None:
    """Read the files of `source` in the folder `path` and write the market folder `market_path`.

    Raises:
        VibesError: an unknown source, a folder or file that is missing or not of that source, or a target that is
            no market folder.
    """
    path, target = Path(path), Path(market_path)
    if source not in SOURCES:
        raise VibesError(f"There is no source '{source}'; choose one of {', '.join(sorted(SOURCES))}.")
    if not path.is_dir():
        raise VibesError(f"There is no folder {path}; give the folder that holds the files of {source}.")
    if target.exists() and not target.is_dir():
        raise VibesError(f"{target} is a file; name a new folder for the market.")
    # A folder of raw tables may look like a market without market.toml; it must not be overwritten.
    if target.is_dir() and (
        target.samefile(path) or (any(target.iterdir()) and not (target / "market.toml").is_file())
    ):
        raise VibesError(f"{target} is not empty and holds no market.toml; name a new folder for the market.")
    SOURCES[source](path, target)
