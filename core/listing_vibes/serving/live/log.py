"""The log of live events: a folder that several services append to, and that `vibes refresh --events` reads."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Required

from pydantic import TypeAdapter
from pydantic_core import to_json
from typing_extensions import TypedDict

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import write_error
from listing_vibes.run.asking import Event
from listing_vibes.run.folder import RunFolder
from listing_vibes.serving.journal.following import Following
from listing_vibes.serving.journal.segments import Segments, alone
from listing_vibes.serving.live.pending import Pending, time_of
from listing_vibes.serving.live.posted import as_text

KIND = "events"
#: Ids of events by which a repeated post is known; the newest are kept.
MOST_IDS = 250_000


class _Line(TypedDict, total=False):
    """A line of the log, as it may have been written by anybody."""

    user_id: str
    listing_id: Required[str]
    timestamp: str
    position: int
    action: str
    duration_s: float
    event_id: str
    request_id: str


_EVENT = TypeAdapter(_Line)


class Taken(NamedTuple):
    """What became of a post: how many events were taken, ids of those that were there already, and listings that the run
    does not have (yet)."""

    accepted: int
    repeated: list[str]
    unknown: list[str]


class LiveLog:
    """Appends posted events and knows what all services over the folder appended.

    Args:
        folder: made where it is not there.
        run: gives the state in use.

    Raises:
        VibesError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, run: Callable[[], RunFolder], most_ids: int = MOST_IDS) -> None:
        self.folder, self._run, self._most_ids = folder, run, most_ids
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        self._segments, self._following = Segments(folder, KIND), Following(folder, KIND)
        self._pending = Pending(run().market.names.of)
        self._ids: dict[int, None] = {}
        self._last, self._timed = 0, run().market.timed
        self._lock = threading.Lock()
        self.catch_up()
        with alone(folder):  # says now where nothing can be written
            pass

    def append(self, posts: Sequence[Sequence[dict[str, Any]]]) -> list[Taken]:
        """Take the events of some posts with one write; the disk has them when this ends.

        Raises:
            VibesError: the disk is full, or the folder cannot be written; then none is taken.
        """
        with alone(
            self.folder
        ):  # so that no other process takes the same id, or has not read what it should know
            self.catch_up()
            lines, taken, new = [], [], set[int]()
            last: dict[str, int] = {}
            listings = self._run().listing_row
            for post in posts:
                repeated = []
                for event in post:
                    told = event.get("event_id")
                    if told is not None:
                        number = _number(told)
                        if number in self._ids or number in new:
                            repeated.append(told)
                            continue
                        new.add(number)
                    lines.append(to_json(self._placed(event, last)))
                unknown = dict.fromkeys(
                    event[C.LISTING] for event in post if event[C.LISTING] not in listings
                )
                taken.append(Taken(len(post) - len(repeated), repeated, list(unknown)))
            self._segments.append(lines, durable=True)
            self.catch_up()
        return taken

    def history(self, run: RunFolder, user: str, before: int | None) -> list[Event]:
        """See `Pending.history`; of all that was appended when `catch_up` last looked."""
        with self._lock:
            return self._pending.history(run, user, before)

    def catch_up(self) -> None:
        """Read what was appended since, by whichever process; where the folder cannot be read, what is known stays."""
        with self._lock, suppress(OSError):
            for part in self._following.news():
                if part is None:
                    self._pending.clear()
                    self._ids.clear()
                    continue
                for line in part.splitlines():
                    self._read(line)

    def close(self) -> None:
        """End what this process writes."""
        self._segments.close()

    def _read(self, line: bytes) -> None:
        try:
            event = _EVENT.validate_json(line)
            at = time_of(event, self._timed)
            if event.get("event_id") is not None:
                self._ids[_number(event["event_id"])] = None
                if len(self._ids) > self._most_ids:
                    del self._ids[next(iter(self._ids))]
            if event.get(C.USER) is not None:
                self._pending.add(event, at)
        except (ValueError, KeyError, TypeError, OverflowError):
            return  # no line of ours; `vibes refresh` names it

    def _placed(self, event: dict[str, Any], last: dict[str, int]) -> dict[str, Any]:
        """An event with its moment, no two of which are the same where none was told."""
        if self._timed:
            if C.TIMESTAMP in event:
                return event
            self._last = max(time.time_ns() // 1000 * 1000, self._last + 1000)
            return event | {C.TIMESTAMP: as_text(self._last)}
        user = event.get(C.USER, "")
        if C.POSITION not in event:
            event = event | {C.POSITION: self._end(user, last) + 1}
        last[user] = max(event[C.POSITION], self._end(user, last))
        return event

    def _end(self, user: str, last: dict[str, int]) -> int:
        """The position of the last event of a user, -1 where there is none."""
        run = self._run()
        number = run.user_number.get(user)
        own = -1 if number is None else int(run.log.time[run.log.start[number + 1] - 1])
        pending = self._pending.last(user) if user else None
        return max(own, last.get(user, -1), -1 if pending is None else pending)


def _number(event_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=8).digest(), "big")
