"""Importers: one class in one file for each source, converting the source's files to a market folder."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from listing_vibes.errors import VibesError
from listing_vibes.registry import Registry


class Importer(ABC):
    """One source of markets: `inside_airbnb.py` in this folder defines `vibes import inside-airbnb PATH MARKET`."""

    #: The path is a URL rather than a folder or file.
    address: ClassVar[bool] = False

    @abstractmethod
    def write(self, path: Any, target: Path) -> None:
        """Read the source's files in `path`, which exists, and write the market folder `target`.

        `path` is a folder, or one of the source's files in it where there are several to choose from; for a source with
        `address` it is text.

        `listing_vibes.market.tables` reads tables so that no cell is lost; `listing_vibes.market.writer.write_market` writes the market.

        Raises:
            VibesError: a file is missing or is not from that source.
        """


#: All importers by the name of their source.
IMPORTERS = Registry(__name__, Importer, "source", group="listing_vibes.importers")


def import_market(
    source: str, path: Path | str, market_path: Path | str, *, overwrite: bool = False, **options: Any
) -> None:
    """Read the files of `source` in the folder `path` (or with it one of its files) and write the market folder `market_path`.

    Args:
        path: for a source with `address`, such as sql, its URL.
        overwrite: replace an existing market in `market_path`.
        options: options of the source, see its class.

    Raises:
        VibesError: the source is unknown or does not have the options, a folder or file is missing or not from that source, or the target
            holds a market without `overwrite`, or other content.
    """
    chosen, target = IMPORTERS[source], Path(market_path)
    if options and not chosen.address:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in options)
        raise VibesError(f"The source {source} has no option {names}; leave it out.")
    importer = chosen(**options)
    if not chosen.address:
        path = Path(path)
        if not path.exists():
            raise VibesError(f"There is no folder {path}; give the folder that holds the files of {source}.")
        if target.is_dir() and target.samefile(path):
            raise VibesError(f"{target} holds the files of {source}; name a new folder for the market.")
    # It imports pandas, which listing the sources does not need.
    from listing_vibes.market.writer import replacing

    with replacing(target, overwrite, "vibes import"):
        importer.write(str(path) if chosen.address else path, target)
