"""The folder of a run: one version of it, which stays the same while `vibes refresh` writes newer ones."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json
from listing_vibes.market.market import Market
from listing_vibes.run.contents import LISTINGS, check_loaded, check_opened, read_spaces
from listing_vibes.run.fits import parse_metrics
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.transfer import MARKETS
from listing_vibes.run.versions import Lease, folder_of, lease_current, results_of, stamp_of


class StoredRun:
    """A run folder, at the version that was current when it was opened.

    Attributes:
        path: the run's folder as given; figures, maps and reports are in it.
        folder: the folder with the embeddings, the model and the tables of this version: `path`, or one in it.
        made: the folder of the version that was trained or embedded last; `folder` without a refresh since.
    """

    def __init__(self, path: Path, lease: Lease) -> None:
        self.path, self.folder, self.stamp = path, lease.folder, lease.stamp
        self.manifest = Manifest.load(lease.folder)
        self.made = folder_of(path, lease.stamp.made)
        if lease.lock is not None:  # The version may be removed once this object is gone.
            weakref.finalize(self, os.close, lease.lock)

    @classmethod
    def open(cls, path: Path) -> StoredRun:
        """Open the run folder at `path` after comparing the sizes of its files.

        Raises:
            VibesError: see `Run.open`.
        """
        if not (path / "run.toml").is_file() and (path / ".training").is_dir():
            raise VibesError(
                f"The training of {path} has not finished; go on with `vibes train MARKET {path} --resume`."
            )
        stored = cls(path, lease_current(path))
        if not (stored.folder / LISTINGS).is_file():
            runs = sorted(str(item.parent) for item in (path / MARKETS).glob("*/run.toml"))
            hint = f"open one of its runs (as {runs[0]}), or " if runs else ""
            raise VibesError(
                f"{path} has no {LISTINGS}; {hint}embed a market with its model by `vibes embed MARKET RUN --model {path}`."
            )
        check_opened(stored.folder, stored.manifest)
        return stored

    def read_arrays(self) -> dict[str, np.ndarray]:
        """Return the `listing_id` (L,) and the vectors (L, d) of each space, memory-mapped.

        Raises:
            VibesError: the file is damaged.
        """
        check_loaded(self.folder, LISTINGS)
        width = self.manifest.settings.encoder_config().width
        return read_spaces(self.folder / LISTINGS, {"model": width} if self.has_model else {})

    @property
    def has_model(self) -> bool:
        """Return whether the folder has a trained model."""
        return (self.folder / "model.safetensors").is_file()

    @property
    def outdated(self) -> bool:
        """Return whether the folder has a newer version: the run was refreshed, embedded or trained since it was opened."""
        return stamp_of(self.path) != self.stamp

    @property
    def market_path(self) -> Path:
        """Return the path of the market: as stored, or at the same place relative to a run that was moved together with it."""
        stored = self.folder / self.manifest.market  # An absolute path stays unchanged.
        if not os.path.isdir(stored) and self.manifest.market_from_run:
            moved = self.path.resolve() / self.manifest.market_from_run
            return moved if os.path.isdir(moved) else stored
        return stored

    def open_market(self) -> Market:
        """Open the current market, with all of its listings.

        Raises:
            VibesError: the market is no longer at its path, or belongs to a newer version of the run.
        """
        if not os.path.isdir(self.market_path):
            raise VibesError(
                f"The market of {self.path} is no longer at {self.market_path}; move it back, or embed the market at its "
                "new path with `vibes embed MARKET RUN --model RUN`."
            )
        # Without tables of this version, those of the newest one are in the market's folder.
        tables = self.folder / "market" if (self.folder / "market").is_dir() else None
        market = Market.open(self.market_path, None, False, tables)
        if tables is None and self.outdated and market.fingerprint != self.manifest.fingerprint:
            raise VibesError(
                f"{self.path} was refreshed or embedded again since it was opened; open it again."
            )
        return market

    @property
    def metrics(self) -> dict[str, Any] | None:
        """Return the last results of `vibes evaluate`, or None."""
        return read_json(
            results_of(self.path, self.stamp) / "metrics.json", "evaluate the run again", parse_metrics
        )
