"""Addresses of photos: which are asked at all, and a connection to none but a public one."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from listing_vibes.market.download.limits import Failed

#: Refused whatever the standard library says of them: the host of a cloud's machine, protocol assignments, site-local addresses,
#: NAT64 of local use (RFC 8215), and IPv4 addresses in the last bytes of an IPv6 address without a prefix (RFC 4291, 2.5.5.1).
_DENIED = [
    ipaddress.ip_network(network)
    for network in ("168.63.129.16/32", "192.0.0.0/24", "fec0::/10", "64:ff9b:1::/48", "::/96")
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in its last four bytes (RFC 6052)


@dataclass(frozen=True)
class Address:
    """An http or https address, taken apart: `target` is its path and query as a request names them."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Take an address apart.

        Raises:
            Failed: it is no http or https address, or carries a user or password.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise Failed("is no address that can be read") from error
        if parts.scheme not in ("http", "https"):
            raise Failed("is no http or https address")
        if parts.username is not None or parts.password is not None:
            raise Failed("carries a user or a password, which are not sent; give an address without them")
        try:
            name = (host or "").encode("ascii" if (host or "").isascii() else "idna").decode()
        except UnicodeError as error:
            raise Failed("names a host that cannot be one") from error
        if not name or any(character in name for character in " %\\"):
            raise Failed("names no host")
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        if parts.query:
            target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
        return cls(parts.scheme, name, port or (443 if parts.scheme == "https" else 80), target)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open network: not of this machine, a private network, a link, or a group."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(found.packed[-4:])
        if inner is not None and not is_public(str(inner)):
            return False
    denied = any(found.version == network.version and found in network for network in _DENIED)
    return found.is_global and not found.is_multicast and not denied


def connected(host: str, port: int, timeout: float, private: bool) -> socket.socket:
    """A socket to a host: the very address that was judged is connected to, so that a name cannot change in between.

    Raises:
        Failed: the host is not known or not reached, or has no address that may be asked.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Failed(f"its host {host} is not known", again=True) from error
    allowed = [one for one in found if private or is_public(str(one[4][0]))]
    if not allowed:
        raise Failed(
            f"its host {host} is this machine or in a private network, which is only asked with --allow-private"
        )
    problem: OSError | None = None
    for family, kind, protocol, _, place in allowed:
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as error:  # no IPv6 here
            problem = error
            continue
        try:
            opened.settimeout(timeout)
            opened.connect(place)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
        except OSError as error:
            opened.close()
            problem = error
    raise Failed(f"its host {host} is not reached ({_said(problem)})", again=True) from problem


def _said(error: OSError | None) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error)) if error is not None else "no address"
