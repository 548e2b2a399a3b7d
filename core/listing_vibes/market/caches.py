"""Where results are cached, beside a market or in a run, or in the user's cache."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

INSTALLED = Path(__file__).resolve().parents[1]


def shipped(installed: str, clone: str) -> Path:
    """Return a folder that a wheel carries inside the package, and a clone of the project in `assets`."""
    folder = INSTALLED / installed
    return folder if folder.is_dir() else INSTALLED.parents[1] / "assets" / clone


#: Markets and models that ship with the project.
DEMO = shipped("demo/bundled", "demo")
MODELS = shipped("models", "models")


def user_cache() -> Path:
    """Return the folder that this user's runs of the product share: `$LISTING_VIBES_CACHE`, else a folder in the user's cache."""
    configured = os.environ.get("LISTING_VIBES_CACHE")
    if configured:
        return Path(configured)
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "listing-vibes"


def market_cache(market: Path) -> Path:
    """Return `.cache` in the folder of a market; of one that ships, a folder in `user_cache()` named by where the market lies.

    What ships is not written to: an installed package may belong to another user, and a clone is under version control.
    """
    return _elsewhere(market, "markets") if _is_shipped(market) else Path(market) / ".cache"


def run_cache(run: Path) -> Path:
    """Return the folder of a run, where its maps and descriptions of photos are cached; of a run that ships, or that cannot be
    written, a folder in `user_cache()`."""
    elsewhere = _is_shipped(run) or not can_be_written(Path(run))
    return _elsewhere(run, "runs") if elsewhere else Path(run)


def run_cache_file(run: Path, name: str) -> Path:
    """Return the cached file of a run by its `name`; where none is cached, the file that the run came with."""
    cached = run_cache(run) / name
    return cached if cached.is_file() else Path(run) / name


def writable_cache(market: Path) -> Path:
    """Return `market_cache`, or a folder in `user_cache()` where that cannot be written, as of a market on a read-only disk."""
    cache = market_cache(market)
    return cache if can_be_written(cache) else _elsewhere(market, "markets")


def can_be_written(folder: Path) -> bool:
    """Return whether a folder, or the one that it would be made in, takes files."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path("."))
    return os.access(existing, os.W_OK)


def _is_shipped(folder: Path) -> bool:
    place = Path(folder).resolve()
    return any(place.is_relative_to(root) for root in (INSTALLED, DEMO, MODELS))


def _elsewhere(folder: Path, kind: str) -> Path:
    place = str(Path(folder).resolve())
    return user_cache() / kind / hashlib.sha256(place.encode()).hexdigest()[:16]
