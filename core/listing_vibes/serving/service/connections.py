"""Limits of connections that uvicorn lacks: it waits forever for an incomplete request, and at its limit refuses every client."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

READ_S = 10.0  # time limit of a request's arrival, plus one second for each `RATE` bytes
RATE = 64 * 2**10
WRITE_S = 30.0  # time limit for a client to read a response
MAX_HEAD = 64 * 2**10  # maximum bytes of a request's first line and headers
BACKLOG = 1024  # maximum number of connections that wait to be accepted
SPARE_FILES = 128  # file descriptors for the run, the databases and the logs
#: Seconds after the stop signal after which connections of slow clients are closed.
CLOSE_S = 6.5


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 protocol of uvicorn with a deadline for each request; at the limit the oldest idle connection is closed for a new one.

    Attributes:
        waiting_since: when the server started to wait for the client, in seconds of the loop's clock.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting_since, self._received = self.loop.time(), 0
        self._reads_head, self._has_request = True, False
        self._unread_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_working(self) -> bool:
        """Return whether a complete request waits for its response."""
        return self._has_request and self.cycle is not None and not self.cycle.response_complete

    def close_now(self) -> None:
        """Close the connection and drop unread and unwritten data."""
        self.connections.discard(self)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(1, self._close_if_late)
        if self.limit_concurrency is None or len(self.connections) < self.limit_concurrency:
            return
        others = [
            connection
            for connection in self.connections
            if isinstance(connection, BoundedProtocol) and connection is not self
        ]
        if waiting := [other for other in others if not other.is_working]:
            min(waiting, key=lambda item: item.waiting_since).close_now()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(CLOSE_S, self.close_now)

    def _close_if_late(self) -> None:
        now = self.loop.time()
        is_read_late = not self.is_working and now - self.waiting_since > READ_S + self._received / RATE
        is_write_late = self._unread_since is not None and now - self._unread_since > WRITE_S
        if is_read_late or is_write_late:
            self.close_now()
        else:
            self._timer = self.loop.call_later(1, self._close_if_late)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._received += len(data)
        if self._reads_head and self._received > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_message_begin(self) -> None:
        self.waiting_since, self._received = self.loop.time(), 0
        self._reads_head, self._has_request = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._reads_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._has_request = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()


def connection_limits(requested: int) -> tuple[int, int]:
    """Return how many connections to hold and to queue: the requested number, or fewer by the limit of open files."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return requested, BACKLOG
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return requested, BACKLOG
    enough = requested + BACKLOG + SPARE_FILES
    if soft < enough:
        soft = enough if hard == resource.RLIM_INFINITY else min(hard, enough)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    backlog = min(BACKLOG, soft // 4)  # all queued connections may be accepted before the first is closed
    return max(1, min(requested, soft - backlog - SPARE_FILES)), backlog
