"""Politeness: delays between requests to a host, its robots.txt, and when to give up on it."""

from __future__ import annotations

import re
import threading
import time

from protego import Protego

from listing_vibes.market.download.limits import Failed, Limits, Stopped

_PRODUCT = re.compile(r"[A-Za-z_-]*")  # RFC 9309, section 2.2.1
#: The version of a product, which Protego would take as part of its name.
_VERSION = re.compile(r"^(\s*user-agent\s*:\s*[A-Za-z_-]+)/\S*", re.IGNORECASE | re.MULTILINE)


class Robots:
    """The rules of a robots.txt for one agent, parsed by Protego.

    Args:
        text: the content of robots.txt.
        agent: only its product counts: "our-shop" of "our-shop (it@example.com)".

    Attributes:
        delay: seconds between two requests, from `Crawl-delay`, which is not in the RFC.
    """

    def __init__(self, text: str, agent: str) -> None:
        product = _PRODUCT.match(agent.strip())
        self._product = product[0] if product else ""
        self._rules = Protego.parse(_VERSION.sub(r"\1", text.removeprefix("\ufeff")))
        self.delay = self._rules.crawl_delay(self._product)

    def allows(self, path: str) -> bool:
        """Return whether a path with its query may be requested."""
        return bool(self._rules.can_fetch(f"http://host{path}", self._product))


class Host:
    """One host and port.

    Attributes:
        robots: its rules, once they were read; `robots_lock` protects the reading.
        problem: why there are no more requests to it.
    """

    def __init__(self, limits: Limits, stop: threading.Event) -> None:
        self.robots_lock = threading.Lock()
        self.robots: Robots | None = None
        self.problem: str | None = None
        self.delay = limits.delay
        self._limits, self._stop, self._lock = limits, stop, threading.Lock()
        self._next, self._strikes = 0.0, 0

    def wait_turn(self) -> None:
        """Wait until the next request to the host is allowed.

        Raises:
            Failed: there are no more requests to it.
            Stopped: the download ended.
        """
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self.delay
        if self._stop.wait(max(0.0, turn - time.monotonic())):
            raise Stopped
        if self.problem is not None:
            raise Failed(self.problem)

    def postpone(self, seconds: float) -> None:
        """Delay the next request to it; a host that wants more than `longest_wait` gets no more requests in this download."""
        if seconds > self._limits.longest_wait:
            self.problem = f"its host wants a delay of {seconds:,.0f} s, more than the limit"
            return
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def count_attempt(self, answered: bool) -> None:
        """Give up on the host after `strikes` attempts in a row without a response."""
        with self._lock:
            self._strikes = 0 if answered else self._strikes + 1
            if self._strikes >= self._limits.strikes:
                self.problem = f"its host did not respond {self._strikes} times in a row"
