"""What a download may do: its limits, and the addresses that it may reach."""

import contextlib
import ipaddress
import socket
import threading
import weakref
from dataclasses import dataclass, field
from typing import Any

from pydantic import field_validator
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url
from urllib3.util.connection import create_connection

from listing_vibes.market.documents import Forbidding

#: Blocked regardless of the standard library: cloud metadata hosts, protocol assignments, site-local addresses,
#: local-use NAT64 (RFC 8215), and IPv4 addresses in the last bytes of an IPv6 address without a prefix (RFC 4291, 2.5.5.1).
_DENIED = [
    ipaddress.ip_network(network)
    for network in ("168.63.129.16/32", "192.0.0.0/24", "fec0::/10", "64:ff9b:1::/48", "::/96")
]
#: Networks with an IPv4 address in the last four bytes: NAT64 (RFC 6052), and IPv4-translated addresses (RFC 2765).
_TRANSLATED = [ipaddress.ip_network(network) for network in ("64:ff9b::/96", "::ffff:0:0:0/96")]


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


def parse_photo_url(url: str) -> Url:
    """Parse the URL of a photo.

    Raises:
        Failed: it is not an http or https URL, or has a user or password.
    """
    try:
        parsed = parse_url(url)
    except (LocationParseError, UnicodeError) as error:
        raise Failed("is not a valid URL") from error
    if parsed.scheme not in ("http", "https"):
        raise Failed("is not an http or https URL")
    if parsed.auth is not None:
        raise Failed("has a user or a password, which are not sent; give a URL without them")
    if not parsed.host:
        raise Failed("names no host")
    return parsed


def is_public(address: str) -> bool:
    """Return whether an IP address is public: not of this machine, a private network, a link, or a multicast group."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and any(parsed in network for network in _TRANSLATED):
            inner = ipaddress.IPv4Address(parsed.packed[-4:])
        if inner is not None and not is_public(str(inner)):
            return False
    denied = any(parsed.version == network.version and parsed in network for network in _DENIED)
    return parsed.is_global and not parsed.is_multicast and not denied


@dataclass(frozen=True, eq=False)
class Guard:
    """The restrictions on the connections of one download."""

    limits: Limits
    sockets: weakref.WeakSet[socket.socket] = field(default_factory=weakref.WeakSet)

    def connect(self, connection: HTTPConnection) -> socket.socket:
        """Resolve a host once, and connect to an address that is `is_public`.

        Raises:
            Failed: the host is unknown or unreachable, or has no allowed address.
        """
        host, port = connection.host, connection.port
        try:
            resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Failed(f"its host {host} is unknown", again=True) from error
        addresses = [str(entry[4][0]) for entry in resolved]
        allowed = [address for address in addresses if self.limits.private or is_public(address)]
        if not allowed:
            raise Failed(
                f"its host {host} is this machine or in a private network, which needs --allow-private"
            )
        problem: OSError | None = None
        for address in allowed:
            try:
                return create_connection((address, port), connection.timeout)
            except OSError as error:
                problem = error
        reason = problem and (problem.strerror or problem)
        raise Failed(f"its host {host} is unreachable ({reason})", again=True) from problem

    def shut_down(self) -> None:
        """Shut down all open connections, from any thread."""
        for opened in list(self.sockets):
            _shut_down(opened)

    def pool_manager(self) -> PoolManager:
        """Return a urllib3 manager with guarded connections; it ignores proxies."""
        manager = PoolManager(num_pools=1000, maxsize=self.limits.per_host, block=True)
        manager.pool_classes_by_scheme = {
            "http": _guarded_pool(HTTPConnectionPool, _GuardedHTTP, self),
            "https": _guarded_pool(HTTPSConnectionPool, _GuardedHTTPS, self),
        }
        return manager


class _GuardedHTTP(HTTPConnection):
    guard: Guard

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self)

    def connect(self) -> None:
        super().connect()
        if self.sock is not None:
            self.guard.sockets.add(self.sock)

    def getresponse(self) -> Any:
        """Return the response; the time limit covers all headers, not only the pauses between them."""
        watch = threading.Timer(self.guard.limits.photo_seconds, _shut_down, [self.sock])
        watch.daemon = True
        watch.start()
        try:
            return super().getresponse()
        finally:
            watch.cancel()


class _GuardedHTTPS(_GuardedHTTP, HTTPSConnection):
    """`HTTPSConnection` over the socket of `_GuardedHTTP`: the certificate is verified for the host's name."""


def _guarded_pool(pool: type, connection: type, guard: Guard) -> Any:
    bound = type(connection.__name__, (connection,), {"guard": guard})
    return type(pool.__name__, (pool,), {"ConnectionCls": bound})


def _shut_down(opened: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        opened.shutdown(socket.SHUT_RDWR)
