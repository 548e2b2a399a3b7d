"""Connections: how many there are, and how long one is waited for.

uvicorn has a limit of work (`limit_concurrency`) and a time for idle connections (`timeout_keep_alive`), but waits without
end for a request that was begun, and its limit refuses everybody once it is reached. Here a begun request has to arrive in
time, and a full house makes room by closing who has kept it waiting the longest.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

READ_S = 10.0  # for a request to arrive, and a second more for each `RATE` bytes of it
RATE = 64 * 2**10
WRITE_S = 30.0  # that a client may leave an answer unread
MOST_HEAD = 64 * 2**10  # bytes of a request's first line and headers
QUEUE = 1024  # connections that the system may hold until they are accepted
SPARE = 64  # descriptors for the files of the run


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn that waits for nobody without end.

    Attributes:
        since: when the connection began to be waited for: made, answered, or a request begun; seconds of the loop's clock.
        received: bytes of the request that is arriving.
    """

    def __init__(self, *told: Any, **named: Any) -> None:
        super().__init__(*told, **named)
        self.since, self.received = self.loop.time(), 0
        self._head, self._whole = True, False
        self._stuck: float | None = None  # since when the client reads nothing

    @property
    def working(self) -> bool:
        """Whether a request has arrived whole and waits for our answer."""
        return self._whole and self.cycle is not None and not self.cycle.response_complete

    def late(self, now: float) -> bool:
        """Whether the client has used up its time."""
        if self._stuck is not None and now - self._stuck > WRITE_S:
            return True
        return not self.working and now - self.since > READ_S + self.received / RATE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.limit_concurrency is None or len(self.connections) < self.limit_concurrency:
            return
        idle = [
            one
            for one in self.connections
            if isinstance(one, PatientProtocol) and one is not self and not one.working
        ]
        if idle:
            drop(min(idle, key=lambda one: one.since))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.received += len(data)
        if self._head and self.received > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_message_begin(self) -> None:
        self.since, self.received = self.loop.time(), 0
        self._head, self._whole = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._stuck = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stuck = None
        super().resume_writing()


def drop(connection: PatientProtocol) -> None:
    """Close a connection at once, whatever was not yet read or written."""
    connection.connections.discard(connection)
    connection.transport.abort()


def room(asked: int) -> tuple[int, int]:
    """How many connections to hold and how many to queue: as many as asked, or as the descriptors of this process allow."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return asked, QUEUE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = asked + 2 * QUEUE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return asked, QUEUE
    queue = min(QUEUE, soft // 4)  # all of them may be accepted before the first is closed
    return max(1, min(asked, soft - queue - SPARE - _open_files())), queue


def _open_files() -> int:
    return len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0
