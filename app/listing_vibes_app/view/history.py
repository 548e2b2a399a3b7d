"""A user's history as of a moment: the known events and the later ones."""

from typing import Any

import pandas as pd

from listing_vibes_app.view.market import MarketView


def moment_of(view: MarketView, user: int, at: int) -> Any:
    """Return the moment of the event after the first `at`: a UTC timestamp, or its position; None after the last."""
    log = view.log
    row = int(log.start[user]) + at
    if row >= log.start[user + 1]:
        return None
    return pd.Timestamp(int(log.time[row]), unit="ns", tz="UTC") if log.timed else int(log.time[row])


def later_listings(view: MarketView, user: int, at: int, events: int | None = None) -> set[int]:
    """Return rows of the new listings that a user interacted with in the next `events` events after the first `at`.

    None: in all later events. Rejections do not count.
    """
    log = view.log
    available = int(log.start[user]) + at
    later = slice(available, int(log.start[user + 1]) if events is None else available + events)
    return set(log.listing[later][log.is_positive[later]].tolist()) - set(
        log.listing[available - at : available].tolist()
    )
