"""The folder of a run: one version of it, which stays the same while `vibes refresh` writes newer ones, and its market."""

from __future__ import annotations

import os
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from listing_vibes.errors import VibesError, VibesWarning
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_json
from listing_vibes.market.market import Market
from listing_vibes.run.blends import parse_metrics
from listing_vibes.run.manifest import (
    LISTINGS,
    Manifest,
    check_loaded,
    check_opened,
    read_spaces,
)
from listing_vibes.run.other_market import MARKETS
from listing_vibes.run.versions import (
    Lease,
    folder_of,
    lease_current,
    results_of,
    stamp_of,
)
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run_data import RunData


class StoredRun:
    """A run folder, at the version that was current when it was opened.

    Attributes:
        path: the run's folder as given; figures, maps and reports are in it.
        folder: the folder with the embeddings, the model and the tables of this version: `path`, or one in it.
        created_folder: the folder of the version that was trained or embedded last; `folder` without a refresh since.
    """

    def __init__(self, path: Path, lease: Lease) -> None:
        self.path, self.folder, self.stamp = path, lease.folder, lease.stamp
        self.manifest = Manifest.load(lease.folder)
        self.created_folder = folder_of(path, lease.stamp.made)
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


class MarketMismatch(VibesError):
    """The market no longer has the listings of a run."""


class MarketChanged(VibesWarning):
    """The market of a run changed since the run was written."""


def changed_sentence(run: RunData) -> str:
    """Return the warning for a run whose market changed."""
    return (
        f"The tables of {run.market_on_disk.path} changed since {run.path} was written, so its lists and figures may be out of "
        f"date; update it with `{_embed_again(run)}`."
    )


def market_of_run(run: RunData) -> Market:
    """Return the market of a run restricted to the run's listings, in the run's order; warn if it changed.

    Raises:
        MarketMismatch: a listing of the run is missing from the market.
    """
    market = run.market_on_disk
    if not run.market_changed:
        return market
    ids = run.listing_ids
    missing = [item for item in ids if item not in market.listing_row]
    if missing:
        raise MarketMismatch(
            f"{market.path} no longer has {count(len(missing), 'listing')} of {run.path} (such as '{missing[0]}'); restore its "
            f"tables, or update the run with `{_embed_again(run)}`."
        )
    warnings.warn(changed_sentence(run), MarketChanged, stacklevel=4)
    if list(market.listing_row) == ids:
        return market
    tables = (market.photos, market.events)
    photos, events = (table[table[C.LISTING].isin(ids)].reset_index(drop=True) for table in tables)
    listings = market.listings.iloc[[market.listing_row[item] for item in ids]].reset_index(drop=True)
    return replace(market, listings=listings, photos=photos, events=events)


def _embed_again(run: RunData) -> str:
    return f"vibes embed {run.market_on_disk.path} {run.path}"
