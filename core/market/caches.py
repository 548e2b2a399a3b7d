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
    place = Path(market).resolve()
    if not place.is_relative_to(INSTALLED):
        return Path(market) / ".cache"
    return user_cache() / "markets" / hashlib.sha256(str(place).encode()).hexdigest()[:16]
