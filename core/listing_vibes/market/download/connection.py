"""A connection to one host, with a watch over how long a request may take as a whole."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator

from listing_vibes.market.download.address import Address, connected
from listing_vibes.market.download.limits import Failed, Limits

CHUNK = 65_536


class _Plain(http.client.HTTPConnection):
    private = False

    def connect(self) -> None:
        self.sock = connected(self.host, self.port, float(self.timeout or 0), self.private)


class _Secure(http.client.HTTPSConnection, _Plain):
    """`HTTPSConnection.connect` wraps the socket that the next class in line, `_Plain`, connected."""


class Connection:
    """One connection, which is kept for the next request where the host does so."""

    def __init__(self, address: Address, limits: Limits, secure: ssl.SSLContext) -> None:
        if address.scheme == "https":
            self._http: _Plain = _Secure(address.host, address.port, timeout=limits.timeout, context=secure)
        else:
            self._http = _Plain(address.host, address.port, timeout=limits.timeout)
        self._http.private, self._limits = limits.private, limits
        self._late = False
        self.used = False  # whether the last request was answered

    def abort(self) -> None:
        """End whatever waits on it, from any thread."""
        opened = self._http.sock
        if opened is not None:
            with contextlib.suppress(OSError, ValueError):
                opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give it up."""
        self._http.close()

    @contextlib.contextmanager
    def asked(self, address: Address, accept: str) -> Iterator[http.client.HTTPResponse]:
        """The answer to a GET, whose body is read within.

        Raises:
            Failed: no answer, or not in time.
        """
        self._late = self.used = False
        watch = threading.Timer(self._limits.photo_seconds, self._expire)
        watch.daemon = True
        watch.start()
        headers = {"User-Agent": self._limits.agent, "Accept": accept, "Accept-Encoding": "identity"}
        try:
            with self._told():
                answer = self._answer(address.target, headers)
                self.used = True
            yield answer
        finally:
            watch.cancel()

    def chunks(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """The body of an answer, in parts.

        Raises:
            Failed: it ends before its length is there, or comes too slowly.
        """
        length, received = answer.length, 0
        while True:
            with self._told():
                part = answer.read1(CHUNK)
            if not part:
                break
            received += len(part)
            yield part
        if self._late:
            raise self._slow()
        if length is not None and received < length:
            raise Failed(f"ends after {received:,} of {length:,} bytes", again=True)
        answer.close()  # the connection is free for the next request

    def _answer(self, target: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        if self._http.sock is not None:  # kept: its host may have closed it meanwhile
            try:
                self._http.request("GET", target, headers=headers)
                return self._http.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._http.close()
        self._http.request("GET", target, headers=headers)
        return self._http.getresponse()

    def _expire(self) -> None:
        self._late = True
        self.abort()

    def _slow(self) -> Failed:
        return Failed(f"took longer than {self._limits.photo_seconds:g} s", again=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Failed:
            raise
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"its host has no valid certificate ({error.verify_message})") from error
        except TimeoutError as error:
            raise Failed(f"sent nothing for {self._limits.timeout:g} s", again=True) from error
        except http.client.IncompleteRead as error:
            raise (self._slow() if self._late else Failed("ends before it is whole", again=True)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._late:
                raise self._slow() from error
            what = type(error).__name__ if not str(error) else str(error).splitlines()[0]
            raise Failed(f"the connection broke ({what[:120]})", again=True) from error
