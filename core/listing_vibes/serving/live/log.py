"""The log of live events: a store that several services append to, and what each of them knows of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.histories import Event
from listing_vibes.serving.deadline import Deadline
from listing_vibes.serving.live.pending import MOST_EVENTS, Pending, time_of
from listing_vibes.serving.live.posted import as_text
from listing_vibes.serving.store import Store

#: Seconds that a post waits for others to write, and that a list waits for the newest events.
WRITE_S, READ_S = 4.0, 0.5


class Taken(NamedTuple):
    """What became of a post: how many events were taken, ids of those that were there already, and listings that the run
    does not have (yet)."""

    accepted: int
    repeated: list[str]
    unknown: list[str]


class LiveLog:
    """Appends posted events, and knows the newest that any service appended.

    Args:
        place: see `Store`; made where it is not there.
        run: gives the state in use.

    Raises:
        VibesError: the store cannot be made or written.
    """

    def __init__(self, place: str | Path, run: Callable[[], RunFolder]) -> None:
        self._run = run
        self.store = Store(place, "--events", create=True, deadline_s=WRITE_S)
        self._reading = Deadline(READ_S, "store of events")
        self._pending = Pending(run().market.names.of)
        self._position, self._erasures, self._problem = 0, 0, ""
        self._last, self._timed = 0, run().market.timed
        self._lock = threading.Lock()
        self._read()

    def append(self, posts: Sequence[Sequence[dict[str, Any]]]) -> list[Taken]:
        """Take the events of some posts in one transaction, which is committed when this ends.

        Raises:
            VibesError: see `Store.append_events`; then none is taken.
        """
        placed = [[self._with_time(event) for event in post] for post in posts]
        repeated = self.store.append_events(placed, None if self._timed else self._last_position)
        self.catch_up()
        listings = self._run().listing_row
        return [
            Taken(
                len(post) - len(again),
                again,
                list(dict.fromkeys(one[C.LISTING] for one in post if one[C.LISTING] not in listings)),
            )
            for post, again in zip(posts, repeated, strict=True)
        ]

    def history(self, run: RunFolder, user: str, before: int | None) -> list[Event]:
        """See `Pending.history`; of all that was appended when `catch_up` last looked."""
        with self._lock:
            return self._pending.history(run, user, before)

    def catch_up(self) -> None:
        """Read what was appended since, by whichever service; where the store does not answer, what is known stays."""
        problem = ""
        try:
            self._reading.call(self._read)
        except VibesError as error:
            problem = str(error)
        if problem and problem != self._problem:  # once, not for every list
            logging.getLogger("uvicorn.error").error(problem)
        self._problem = problem

    def close(self) -> None:
        """Close the store."""
        self._reading.close()
        self.store.close()

    def _read(self) -> None:
        erasures, rows = self.store.read_events(self._position, None if self._position else MOST_EVENTS)
        if erasures != self._erasures:  # of some users: all is read again
            erasures, rows = self.store.read_events(0, MOST_EVENTS)
        with self._lock:
            if erasures != self._erasures:
                self._pending.clear()
            self._erasures = erasures
            for row in rows:
                self._position = row.id
                if row.user_id is not None:
                    event = {name: value for name, value in row._mapping.items() if value is not None}
                    with suppress(
                        ValueError, KeyError, OverflowError
                    ):  # a row that nobody checked; a refresh names it
                        self._pending.add(event, time_of(event, self._timed))

    def _with_time(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event with its moment, no two of which are the same where it did not say one."""
        if not self._timed or C.TIMESTAMP in event:
            return event
        self._last = max(time.time_ns() // 1000 * 1000, self._last + 1000)
        return event | {C.TIMESTAMP: as_text(self._last)}

    def _last_position(self, user: str) -> int:
        """The position of a user's last event in the run, -1 where there is none."""
        run = self._run()
        number = run.user_number.get(user)
        return -1 if number is None else int(run.log.time[run.log.start[number + 1] - 1])
