"""The databases of services without the rows of some users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.serving.database import FILE, is_store
from listing_vibes.serving.forget.who import Who
from listing_vibes.serving.store import Store


def stores_in(place: Path) -> Iterator[Path]:
    """Every database of a service in a folder and those below it; `place` may be one."""
    if place.is_dir():
        yield from sorted(place.rglob(FILE))
    elif is_store(str(place)):
        yield place


def without_in_store(place: Path | str, who: Who) -> int:
    """Delete their rows, also while services write others; returns how many there were.

    Raises:
        VibesError: it is no database of a service, or somebody holds its lock.
    """
    store = Store(place, "--also")
    try:
        users = store.users()
        theirs = who.rows(pd.DataFrame({C.USER: pd.Series(users, dtype="str")}))
        return store.delete_users([users[row] for row in np.flatnonzero(theirs)])
    finally:
        store.close()
