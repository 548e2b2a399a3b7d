"""Where what is computed once is kept: beside a market, or in the user's cache."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

INSTALLED = Path(__file__).resolve().parents[1]


def user_cache() -> Path:
    """What this user's runs of the product share: `$LISTING_VIBES_CACHE`, else a folder in the user's cache."""
    own = os.environ.get("LISTING_VIBES_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "listing-vibes"


def market_cache(market: Path) -> Path:
    """`.cache` in the folder of a market.

    An installed package is not written to (it may belong to another user, and whoever removes it does not know of what
    was added), so the demo that a wheel brings has a folder in `user_cache()`, named by where it lies.
    """
    installed = Path(market).resolve().is_relative_to(INSTALLED)
    return _elsewhere(market) if installed else Path(market) / ".cache"


def writable_cache(market: Path) -> Path:
    """`market_cache`, or a folder in `user_cache()` where that cannot be written, as of a market on a read-only disk."""
    own = market_cache(market)
    return own if can_be_written(own) else _elsewhere(market)


def can_be_written(folder: Path) -> bool:
    """Whether a folder, or the one that it would be made in, takes files."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), Path("."))
    return os.access(there, os.W_OK)


def _elsewhere(market: Path) -> Path:
    place = str(Path(market).resolve())
    return user_cache() / "markets" / hashlib.sha256(place.encode()).hexdigest()[:16]
