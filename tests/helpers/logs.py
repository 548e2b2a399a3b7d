"""Small event logs of given or random events: `make_log`, `random_log`, and when their listings are live."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split, make_split

DAY = 24 * 3600 * 10**9


def build_log(
    user: Sequence[int] | np.ndarray,
    listing: Sequence[int] | np.ndarray,
    time: Sequence[int] | np.ndarray,
    listings: int,
    users: int,
    timed: bool = True,
    hides: Sequence[int] | np.ndarray = (),
) -> EventLog:
    """A log of the given events, in the order that `EventLog` promises; user numbers are kept as they are. The events of the
    numbers `hides` say "not this"."""
    user, listing, time = (np.asarray(part, np.int64) for part in (user, listing, time))
    order = np.lexsort((np.arange(len(user)), time, user))
    user = user[order]
    return EventLog(
        user=user.astype(np.int32),
        listing=listing[order].astype(np.int32),
        time=time[order],
        action=np.where(np.isin(order, hides), 0, -1).astype(np.int16),
        duration=np.full(len(user), np.nan, np.float32),
        start=np.searchsorted(user, np.arange(users + 1)),
        users=[f"u{number}" for number in range(users)],
        actions=["hide"] if len(hides) else [],
        listings=listings,
        timed=timed,
        unwanted=("hide",),
    )


def build_random_log(
    seed: int, users: int = 30, listings: int = 25, events: int = 300, timed: bool = True, cold: int = 3
) -> EventLog:
    """Events of a market with tastes (a user stays in one of three groups of listings), ties in time, repeats and
    `cold` listings that are touched only in the last tenth of the time."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 200, events))
    user = rng.integers(0, users, events)
    warm = listings - cold
    listing = (rng.integers(0, warm, events) // 3 * 3 + user % 3) % warm
    late = (time >= 180) & (rng.random(events) < 0.3)
    listing[late] = warm + rng.integers(0, cold, late.sum())
    if timed:
        return build_log(user, listing, time * DAY, listings, users)
    order = np.argsort(user, kind="stable")
    position = np.concatenate([np.arange(count) for count in np.bincount(user, minlength=users)])
    return build_log(user[order], listing[order], position, listings, users, timed=False)


@pytest.fixture
def make_log() -> Callable[..., EventLog]:
    """`make_log(user, listing, time, listings, users, timed=True, hides=())`."""
    return build_log


@pytest.fixture
def random_log() -> Callable[..., EventLog]:
    """`random_log(seed, users=30, listings=25, events=300, timed=True, cold=3)`."""
    return build_random_log


@pytest.fixture
def always_live() -> Callable[[EventLog], Catalogue]:
    """A catalogue in which every listing of a log is always live."""

    def make(log: EventLog) -> Catalogue:
        bounds = np.iinfo(np.int64)
        return Catalogue(np.full(log.listings, bounds.min), np.full(log.listings, bounds.max))

    return make


@pytest.fixture
def random_split(always_live) -> Callable[..., tuple[EventLog, Split, Catalogue]]:
    """`random_split(seed, ...)`: as `random_log`, with its usual split and a catalogue in which all listings are always live."""

    def make(*given: int, **more: int) -> tuple[EventLog, Split, Catalogue]:
        log = build_random_log(*given, **more)
        return log, make_split(log, always_live(log)), always_live(log)

    return make
