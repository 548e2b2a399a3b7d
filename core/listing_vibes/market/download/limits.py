"""Limits of a download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from listing_vibes.errors import VibesError


@dataclass(frozen=True)
class Limits:
    """Limits of a download; sizes in bytes, times in seconds.

    Attributes:
        photo_bytes, total_bytes: of one photo, and of everything received in one call.
        per_host, hosts: concurrent connections to one host, and concurrent hosts.
        delay: between the starts of two requests to a host; a host's robots.txt may require more.
        timeout: without data; photo_seconds: of one response in total.
        retries: the most retries of a photo; backoff: the factor of urllib3's `Retry`.
        longest_wait: a host that wants a longer delay (Retry-After, Crawl-delay) gets no more requests.
        redirects: the most redirects of one photo.
        strikes: failed attempts in a row after which a host gets no more requests.
        private: allow addresses of this machine and of private networks.
        robots: respect the hosts' robots.txt (RFC 9309).
        agent: the User-Agent header.
    """

    photo_bytes: int = 25_000_000
    total_bytes: int = 20_000_000_000
    per_host: int = 2
    hosts: int = 8
    delay: float = 0.1
    timeout: float = 20.0
    photo_seconds: float = 120.0
    retries: int = 3
    backoff: float = 0.5
    longest_wait: float = 300.0
    redirects: int = 5
    strikes: int = 10
    private: bool = False
    robots: bool = True
    agent: str = "listing-vibes (vibes download)"

    @classmethod
    def of(cls, limits: Limits | Mapping[str, Any] | None) -> Limits:
        """Return limits from an object, a mapping of some of their names, or None for the defaults.

        Raises:
            VibesError: a name is unknown.
        """
        if isinstance(limits, Limits):
            return limits
        available = [field.name for field in fields(cls)]
        for name in set(limits or {}) - set(available):
            raise VibesError(
                f"There is no limit '{name}' of a download; choose one of {', '.join(available)}."
            )
        return cls(**(limits or {}))

    def __post_init__(self) -> None:
        """Check the agent.

        Raises:
            VibesError: it is not a line of printable ASCII.
        """
        if not (self.agent.strip() and self.agent.isascii() and self.agent.isprintable()):
            raise VibesError(
                f"The agent is {self.agent!r}; give printable ASCII in one line, such as 'our-shop (it@example.com)'."
            )


class Failed(Exception):
    """Why a photo was not fetched, in a few words.

    Args:
        again: whether a retry may help.
    """

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


class Stopped(Exception):
    """The download ended: it was interrupted, or the limit of bytes was reached."""
