"""Limits of a download."""

from pydantic import field_validator

from listing_vibes.market.documents import Forbidding


class Limits(Forbidding):
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
        agent: the User-Agent header, a line of printable ASCII.
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

    @field_validator("agent")
    @classmethod
    def _check_agent(cls, agent: str) -> str:
        if not (agent.strip() and agent.isascii() and agent.isprintable()):
            raise ValueError("give printable ASCII in one line, such as 'our-shop (it@example.com)'")
        return agent


class Failed(Exception):
    """Why a photo was not fetched, in a few words.

    Args:
        again: whether a retry may help.
        status: that of the response, if it is the reason.
    """

    def __init__(self, reason: str, again: bool = False, status: int = 0) -> None:
        super().__init__(reason)
        self.again, self.status = again, status


class Stopped(Exception):
    """The download ended: it was interrupted, or the limit of bytes was reached."""
