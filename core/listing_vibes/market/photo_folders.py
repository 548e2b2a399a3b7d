"""Where the photo files of a market lie: in its folder, and in the folder that `photo_root` of `market.toml` names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from listing_vibes.market.config import MarketConfig
from listing_vibes.market.defects import Defect
from listing_vibes.market.stamps import stamp


@dataclass(frozen=True)
class PhotoFolders:
    """The folders that photos are read from; `root`, which is never written to, is None where market.toml names none."""

    market: Path
    root: Path | None

    @classmethod
    def of(cls, market: Path) -> PhotoFolders:
        """Return the folders of a market.

        Raises:
            VibesError: its market.toml cannot be read.
        """
        file = os.path.join(market, "market.toml")
        return cls(Path(market), _root(Path(market), stamp(file)))

    def file(self, path: str) -> str:
        """Return where the file of a photo's path lies: in the market, or else below `root`. Whether it may lie there says `contain`."""
        inside = os.path.join(self.market, path)
        if self.root is None or os.path.isfile(inside):
            return inside
        return os.path.join(self.root, path)

    def contain(self, file: Path) -> bool:
        """Return whether a path whose links are resolved lies in one of the folders."""
        return any(
            file.is_relative_to(folder.resolve()) for folder in (self.market, self.root) if folder is not None
        )


def root_defects(market: Path, config: MarketConfig) -> list[Defect]:
    """Return the defect of a `photo_root` that is not there."""
    if not config.photo_root or (market / config.photo_root).is_dir():
        return []
    message = "is no folder here; photos are read from the market's alone"
    return [Defect("market.toml", "photo_root", 0, config.photo_root, message)]


@lru_cache(maxsize=64)
def _root(market: Path, mark: object) -> Path | None:
    """The folder that market.toml names; `mark` tells its states apart."""
    root = MarketConfig.load(market / "market.toml").photo_root
    return market / root if root else None
