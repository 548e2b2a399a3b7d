"""Where a service listens: one socket, or on Linux one for each of its processes at the same address."""

from __future__ import annotations

import socket
import sys

from listing_vibes.errors import VibesError

QUEUE = 1024  # as many as may connect at the same moment
#: Whether the system shares out connections among sockets at one address. One socket that all accept from gives them to whoever
#: wakes first, so that connections which stay open, as those of a proxy, pile up in one process.
SHARES_OUT = sys.platform == "linux"


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        VibesError: the port is taken, or there is no such host.
    """
    return _bound(host, port, alone=True)


def keep_place(host: str, port: int) -> socket.socket:
    """A socket that holds an address (port 0: a free one) and takes no connections, which those of `join` do.

    Raises:
        VibesError: the port is taken, or there is no such host.
    """
    with _bound(host, port, alone=True) as tried:  # beside others, too, it could be bound
        port = tried.getsockname()[1]
    return _bound(host, port, alone=False)


def join(host: str, port: int) -> socket.socket:
    """A socket that takes its share of the connections to an address.

    Raises:
        VibesError: it is somebody else's.
    """
    joined = _bound(host, port, alone=False)
    joined.listen(QUEUE)
    return joined


def address_of(bound: socket.socket) -> str:
    """As people write it."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _bound(host: str, port: int, alone: bool) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not alone:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        if alone:
            bound.listen(QUEUE)
    except OSError as error:
        raise VibesError(
            f"Cannot listen on {host} port {port} ({error.strerror}); choose another with --host and --port."
        ) from error
    return bound
