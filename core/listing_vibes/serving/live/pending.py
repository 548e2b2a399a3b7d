"""Events that a run does not have yet, by user, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.histories import Event

#: Events of all users and of one that are known before a refresh has taken them in; the oldest are let go of first.
MOST_EVENTS, MOST_OF_USER = 200_000, 1000


class Happened(NamedTuple):
    """An event and when it was, in nanoseconds (or its position)."""

    at: int
    event: Event


class Pending:
    """The newest events of the log, by the name that their user has in the market.

    Args:
        called: the name of a user's id, see `listing_vibes.market.user_names.UserNames.of`.
    """

    def __init__(self, called: Callable[[str], str], most: int = MOST_EVENTS) -> None:
        self._called, self._most, self._count = called, most, 0
        self._by_user: OrderedDict[str, list[Happened]] = OrderedDict()

    def add(self, line: Mapping[str, Any], at: int) -> None:
        """Take a line of the log."""
        user = self._called(line[C.USER])
        mine = self._by_user.setdefault(user, [])
        mine.append(Happened(at, Event(line[C.LISTING], line.get(C.ACTION), line.get(C.DURATION))))
        self._by_user.move_to_end(user)
        self._count += 1
        if len(mine) > MOST_OF_USER:
            del mine[0]
            self._count -= 1
        while self._count > self._most:
            self._count -= len(self._by_user.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget all."""
        self._by_user.clear()
        self._count = 0

    def history(self, run: RunFolder, user: str, before: int | None) -> list[Event]:
        """All events of a user before a moment, oldest first, those of the run and later ones; empty: no later ones.

        Events on listings that the run does not have are left out, as those that it has got meanwhile are, and what is the same
        in all as another event: a refresh drops these as well.
        """
        name = user if user in self._by_user else self._called(user)
        told = self._by_user.get(name)
        if not told:
            return []
        had = _had(run, name, before)
        known = {_whole(one) for one in had}
        lasts = any(one.event.duration_s is not None for one in had) or not had
        actions, fresh = set(run.market.known_actions), []
        for one in sorted(told, key=lambda one: one.at):
            listing, action, seconds = one.event
            if (before is not None and one.at >= before) or listing not in run.listing_row:
                continue
            happened = Happened(one.at, Event(listing, action if action in actions else None, seconds))
            if (whole := _whole(happened, lasts)) not in known:
                known.add(whole)
                fresh.append(happened)
        if not fresh:
            return []
        return [one.event for one in sorted([*had, *fresh], key=lambda one: one.at)]


def _whole(one: Happened, lasts: bool = True) -> tuple[object, ...]:
    """What tells an event from others, as a run keeps it: where no event of a market `lasts`, without how long it took."""
    listing, action, seconds = one.event
    return one.at, listing, action, None if seconds is None or not lasts else float(np.float32(seconds))


def _had(run: RunFolder, user: str, before: int | None) -> list[Happened]:
    """The events of a user in the run."""
    log, number = run.log, run.user_number.get(user)
    if number is None:
        return []
    rows, names = slice(*log.history_at(number, before)), run.listing_ids
    columns = (log.time[rows], log.listing[rows], log.action[rows], log.duration[rows])
    return [
        Happened(
            at,
            Event(
                names[listing],
                log.actions[action] if action >= 0 else None,
                None if seconds != seconds else seconds,
            ),
        )
        for at, listing, action, seconds in zip(*(column.tolist() for column in columns), strict=True)
    ]


def time_of(line: Mapping[str, Any], timed: bool) -> int:
    """When an event of the log was, in the time of the market's events.

    Raises:
        KeyError, ValueError: it does not say.
    """
    return int(pd.Timestamp(line[C.TIMESTAMP]).as_unit("ns").value) if timed else int(line[C.POSITION])
