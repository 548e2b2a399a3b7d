"""Importers: one class in one file a source, turning the source's own files into a market folder."""

from abc import ABC, abstractmethod
from pathlib import Path

from core.errors import VibesError
from core.registry import Registry


class Importer(ABC):
    """One source of markets: `inside_airbnb.py` in this folder is `vibes import inside-airbnb PATH MARKET`."""

    @abstractmethod
    def write(self, path: Path, target: Path) -> None:
        """Read the source's files in `path`, which is there, and write the market folder `target`.

        `path` is a folder, or one of the source's files in it, where a source has several to choose from.

        `core.market.raw` reads tables so that no cell is lost; `core.market.writer.write_market` writes the market.

        Raises:
            VibesError: a file is missing or is not of that source.
        """


#: All importers by the name of their source.
IMPORTERS = Registry(__name__, Importer, "source")


def import_market(source: str, path: Path | str, market_path: Path | str) -> None:
    """Read the files of `source` in the folder `path` (or with it one of its files) and write the market folder `market_path`.

    Raises:
        VibesError: an unknown source, a folder or file that is missing or not of that source, or a target that is
            no market folder.
    """
    path, target = Path(path), Path(market_path)
    importer = IMPORTERS[source]()
    if not path.exists():
        raise VibesError(f"There is no folder {path}; give the folder that holds the files of {source}.")
    if target.exists() and not target.is_dir():
        raise VibesError(f"{target} is a file; name a new folder for the market.")
    # A folder of raw tables may look like a market without market.toml; it must not be overwritten.
    if target.is_dir() and (
        target.samefile(path) or (any(target.iterdir()) and not (target / "market.toml").is_file())
    ):
        raise VibesError(f"{target} is not empty and holds no market.toml; name a new folder for the market.")
    importer.write(path, target)
