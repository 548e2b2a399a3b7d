"""Importers: one class in one file a source, turning the source's own files into a market folder."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from listing_vibes.errors import VibesError
from listing_vibes.registry import Registry


class Importer(ABC):
    """One source of markets: `inside_airbnb.py` in this folder is `vibes import inside-airbnb PATH MARKET`."""

    #: The path is no folder or file, but an address.
    address: ClassVar[bool] = False

    @abstractmethod
    def write(self, path: Any, target: Path) -> None:
        """Read the source's files in `path`, which is there, and write the market folder `target`.

        `path` is a folder, or one of the source's files in it, where a source has several to choose from; of a source with
        `address` it is text.

        `listing_vibes.market.raw` reads tables so that no cell is lost; `listing_vibes.market.writer.write_market` writes the market.

        Raises:
            VibesError: a file is missing or is not of that source.
        """


#: All importers by the name of their source.
IMPORTERS = Registry(__name__, Importer, "source")


def import_market(source: str, path: Path | str, market_path: Path | str, **told: Any) -> None:
    """Read the files of `source` in the folder `path` (or with it one of its files) and write the market folder `market_path`.

    Args:
        path: of a source with an address, such as sql, that.
        told: what else the source takes, see its class.

    Raises:
        VibesError: an unknown source, one that does not take what is `told`, a folder or file that is missing or not of that source, or a target that is
            no market folder.
    """
    chosen, target = IMPORTERS[source], Path(market_path)
    if told and not chosen.address:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in told)
        raise VibesError(f"The source {source} takes no {options}; leave it out.")
    importer = chosen(**told)
    if chosen.address:
        _check_target(target)
        importer.write(str(path), target)
        return
    path = Path(path)
    if not path.exists():
        raise VibesError(f"There is no folder {path}; give the folder that holds the files of {source}.")
    _check_target(target, path)
    importer.write(path, target)


def _check_target(target: Path, path: Path | None = None) -> None:
    """Raises:
    VibesError: it is a file, the source itself, or a folder of something else.
    """
    if target.exists() and not target.is_dir():
        raise VibesError(f"{target} is a file; name a new folder for the market.")
    # A folder of raw tables may look like a market without market.toml; it must not be overwritten.
    if target.is_dir() and (
        (path is not None and target.samefile(path))
        or (any(target.iterdir()) and not (target / "market.toml").is_file())
    ):
        raise VibesError(f"{target} is not empty and holds no market.toml; name a new folder for the market.")
