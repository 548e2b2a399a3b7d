"""What a download may take, of this machine and of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from listing_vibes.errors import VibesError


@dataclass(frozen=True)
class Limits:
    """Bounds of a download; sizes in bytes, times in seconds.

    Attributes:
        photo_bytes, total_bytes: of one photo, and of all that is received in one call.
        per_host, hosts: connections to one host at the same time, and hosts that are asked at the same time.
        delay: between the beginnings of two requests to a host; a host's robots.txt may ask for more.
        timeout: of silence; photo_seconds: of one response, however slowly it trickles.
        retries: how often a photo is asked for again where that may help; backoff: the factor of urllib3's `Retry`.
        longest_wait: a host that asks for a longer one (Retry-After, Crawl-delay) is left for another time.
        redirects: that are followed for one photo.
        strikes: attempts in a row that reach no response, after which a host is left alone.
        private: also addresses of this machine and of private networks.
        robots: keep to the hosts' robots.txt (RFC 9309).
        agent: what the hosts are told who asks.
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
        """Return limits that are given as such, by some of their names, or not at all.

        Raises:
            VibesError: an unknown name.
        """
        if isinstance(limits, Limits):
            return limits
        available = [field.name for field in fields(cls)]
        for name in limits or {}:
            if name not in available:
                raise VibesError(
                    f"There is no limit '{name}' of a download; choose one of {', '.join(available)}."
                )
        return cls(**(limits or {}))

    def __post_init__(self) -> None:
        """Raises:
        VibesError: the agent is no line of printable ASCII.
        """
        if not (self.agent.strip() and self.agent.isascii() and self.agent.isprintable()):
            raise VibesError(
                f"The agent is {self.agent!r}; give printable ASCII in one line, such as 'our-shop (it@example.com)'."
            )


class Failed(Exception):
    """Why a photo was not fetched, in a few words.

    Args:
        again: whether it may help to ask once more.
    """

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


class Stopped(Exception):
    """The download ends: it was interrupted, or its bytes are used up."""
