"""Cache folders: next to a market, in a run, or in the user's cache."""

import hashlib
import os
import sys
from pathlib import Path

from listing_vibes.market.durable import leads_out

INSTALLED = Path(__file__).resolve().parents[1]


def shipped(installed: str, clone: str) -> Path:
    """Return a folder that a wheel has inside the package and a clone of the project has in `assets`."""
    folder = INSTALLED / installed
    return folder if folder.is_dir() else INSTALLED.parents[1] / "assets" / clone


#: Markets and models that ship with the project.
DEMO = shipped("demo/bundled", "demo")
MODELS = shipped("models", "models")


def user_cache() -> Path:
    """Return the cache folder that all runs of a user share: `$LISTING_VIBES_CACHE`, else a folder in the user's cache."""
    configured = os.environ.get("LISTING_VIBES_CACHE")
    if configured:
        return Path(configured)
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "listing-vibes"


def market_cache(market: Path) -> Path:
    """Return `.cache` in the folder of a market; for a market that ships, one in memory with its photos in a folder, or a `.cache` that is
    a link out of the market, a folder in `user_cache()` named by its location.

    What ships stays read-only: an installed package may belong to another user, and a clone is under version control.
    """
    from listing_vibes.market.io import (
        table_files,
    )  # it imports pandas, which a command without a market does not need

    elsewhere = _is_shipped(market) or not table_files(Path(market), "listings")
    cache = Path(market) / ".cache"
    return _elsewhere(market, "markets") if elsewhere or leads_out(Path(market), cache) else cache


def run_cache(run: Path) -> Path:
    """Return the folder of a run, which caches its maps and photo descriptions; for a run that ships or is read-only,
    a folder in `user_cache()`.
    """
    elsewhere = _is_shipped(run) or not can_be_written(Path(run))
    return _elsewhere(run, "runs") if elsewhere else Path(run)


def run_cache_file(run: Path, name: str) -> Path:
    """Return the cached file `name` of a run; without one, the file that the run came with."""
    cached = run_cache(run) / name
    return cached if cached.is_file() else Path(run) / name


def writable_cache(market: Path) -> Path:
    """Return `market_cache`, or a folder in `user_cache()` where that is read-only."""
    cache = market_cache(market)
    return cache if can_be_written(cache) else _elsewhere(market, "markets")


def can_be_written(folder: Path) -> bool:
    """Return whether a folder, or its parent where it does not exist, is writable."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path("."))
    return os.access(existing, os.W_OK)


def _is_shipped(folder: Path) -> bool:
    place = Path(folder).resolve()
    return any(place.is_relative_to(root) for root in (INSTALLED, DEMO, MODELS))


def _elsewhere(folder: Path, kind: str) -> Path:
    place = str(Path(folder).resolve())
    return user_cache() / kind / hashlib.sha256(place.encode()).hexdigest()[:16]
