"""Hosts that photos are asked of: how many requests at a time, how soon one after another, and what they asked for themselves."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from listing_vibes.market.download.address import Address
from listing_vibes.market.download.connection import Connection
from listing_vibes.market.download.limits import Failed, Limits, Stopped
from listing_vibes.market.download.robots import Robots


class Host:
    """One host and port, its connections and the moment from which it may be asked again."""

    def __init__(self, web: Web) -> None:
        self.robots_lock = threading.Lock()
        self.robots: Robots | None = None
        self.delay = web.limits.delay
        self._web, self._lock = web, threading.Lock()
        self._room = threading.BoundedSemaphore(web.limits.per_host)
        self._idle: list[Connection] = []
        self._next = self._quiet_until = 0.0
        self._strikes = 0
        self._left: str | None = None

    def leave(self, reason: str) -> None:
        """Ask it no more; `reason` is told of each of its photos."""
        self._left = self._left or reason

    def pause(self, seconds: float) -> None:
        """Ask it nothing for so long."""
        self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)

    @contextmanager
    def connection(self, address: Address) -> Iterator[Connection]:
        """A connection, when it is its turn.

        Raises:
            Failed: the host is left alone.
            Stopped: the download ends meanwhile.
        """
        with self._room:
            self._wait()
            connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = Connection(address, self._web.limits, self._web.secure)
            self._web.open(connection)
            kept = False
            try:
                yield connection
                kept = True
            except Failed as failed:
                if failed.again and not connection.used:
                    self._struck()
                raise
            finally:
                if connection.used:
                    self._strikes = 0
                self._web.shut(connection)
                if kept:
                    self._idle.append(connection)
                else:
                    connection.close()

    def close(self) -> None:
        """Give up its connections."""
        while self._idle:
            self._idle.pop().close()

    def _wait(self) -> None:
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self.delay
        while (left := max(turn, self._quiet_until) - time.monotonic()) > 0:
            self._web.sleep(left)
        if self._web.stop.is_set():
            raise Stopped
        if self._left is not None:
            raise Failed(self._left)

    def _struck(self) -> None:
        self._strikes += 1
        if self._strikes >= self._web.limits.strikes:
            self.leave(f"its host gave no answer {self._strikes} times in a row and was left alone")


class Web:
    """What all downloads of a call share: hosts, open connections, bytes that are left, and the sign to stop."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.stop = limits, threading.Event()
        self.secure = ssl.create_default_context()
        self.received, self.used_up = 0, False
        self._hosts: dict[tuple[str, str, int], Host] = {}
        self._open: set[Connection] = set()
        self._lock = threading.Lock()

    def host(self, address: Address) -> Host:
        """The host of an address."""
        with self._lock:
            return self._hosts.setdefault((address.scheme, address.host, address.port), Host(self))

    def sleep(self, seconds: float) -> None:
        """Wait, unless the download ends.

        Raises:
            Stopped: it does.
        """
        if self.stop.wait(seconds):
            raise Stopped

    def take(self, size: int) -> None:
        """Count bytes before they are kept.

        Raises:
            Stopped: they are more than are left.
        """
        with self._lock:
            self.used_up |= self.received + size > self.limits.total_bytes
            self.received += 0 if self.used_up else size
        if self.used_up:
            self.end()
            raise Stopped

    def open(self, connection: Connection) -> None:
        with self._lock:
            self._open.add(connection)

    def shut(self, connection: Connection) -> None:
        with self._lock:
            self._open.discard(connection)

    def end(self) -> None:
        """Stop all that waits or reads."""
        self.stop.set()
        with self._lock:
            for connection in self._open:
                connection.abort()

    def close(self) -> None:
        """Give up all connections."""
        for host in self._hosts.values():
            host.close()
