"""Fetch one photo: redirects, retries, and a file that exists only once its image was decoded."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse, Retry, Timeout
from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError, SSLError
from urllib3.util import Url

from listing_vibes.market.download.address import Guard, parse_photo_url
from listing_vibes.market.download.hosts import Host, Robots
from listing_vibes.market.download.limits import Failed, Limits, Stopped
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.photo_decoding import decoding_problem, open_photo
from listing_vibes.market.photo_ending import image_end

REDIRECTS, AGAIN = (301, 302, 303, 307, 308), (408, 425, 429, 500, 502, 503, 504)
PICTURES, ANY = "image/avif,image/webp,image/*,*/*;q=0.5", "*/*"
ROBOTS_BYTES = 500 * 1024  # the minimum that RFC 9309 requires to be read
CHUNK = 65_536
LARGE_SIDE = 2**16  # pixels: larger than any photo, so that one that is saved again keeps its size
Result = TypeVar("Result")


class Fetcher:
    """Shared state of the photos of one download: connections, hosts, the remaining bytes, and the stop event.

    Attributes:
        used_up: whether `total_bytes` were received.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.stop, self.used_up = limits, threading.Event(), False
        self._guard = Guard(limits)
        self._pools = self._guard.pool_manager()
        self._hosts: dict[tuple[str | None, str | None, int | None], Host] = {}
        self._received, self._lock = 0, threading.Lock()

    def fetch(self, url: str, file: Path) -> int:
        """Fetch a photo into `file` atomically; return its size in bytes.

        Raises:
            Failed: with the reason.
            Stopped: the download ended.
            VibesError: the file cannot be written.
        """
        return self._retry(url, lambda: self._store(url, file))

    def end(self) -> None:
        """Stop all threads that wait or read."""
        self.stop.set()
        self._guard.shut_down()

    def close(self) -> None:
        """Close the connection pools."""
        self._pools.clear()

    def _retry(self, url: str, action: Callable[[], Result]) -> Result:
        limits = self.limits
        retry = Retry(
            limits.retries, backoff_factor=limits.backoff, backoff_jitter=limits.backoff, backoff_max=30
        )
        while True:
            try:
                return action()
            except Failed as failed:
                if self.stop.is_set():  # `end` closed the connection
                    raise Stopped from failed
                if not failed.again or not retry.total:
                    raise
                retry = retry.increment("GET", url, error=failed)
                if self.stop.wait(retry.get_backoff_time()):
                    raise Stopped from failed

    def _store(self, url: str, file: Path) -> int:
        most, size = self.limits.photo_bytes, 0
        with self._open(url, PICTURES, self.limits.robots) as response, atomic_path(file) as temporary:
            with temporary.open("wb") as out:
                for part in self._chunks(response):
                    size += len(part)
                    if size > most:
                        raise Failed(f"is larger than {most:,} bytes")
                    out.write(part)
            problem = decoding_problem(temporary, decode_all=True)
            if problem is not None:
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
                hint = f" (its host calls it {kind[:60]})" if kind and not kind.startswith("image/") else ""
                raise Failed(f"{problem}{hint}")
            end_with_image(temporary)
            return temporary.stat().st_size

    @contextmanager
    def _open(self, url: str, accept: str, robots: bool) -> Iterator[BaseHTTPResponse]:
        """Yield the response with status 200 after the redirects of `url`; each host on the way is checked."""
        for _ in range(self.limits.redirects + 1):
            parsed = parse_photo_url(url)
            host = self._host(parsed)
            if robots:
                self._check_robots(host, parsed)
            host.wait_turn()
            with self._request(host, parsed, accept) as response:
                if response.status not in REDIRECTS:
                    _check_status(host, response)
                    yield response
                    return
                location = response.headers.get("Location")
            if not location:
                raise Failed(f"is redirected (status {response.status}) without a URL")
            try:
                url = urljoin(url, location)
            except ValueError as error:
                raise Failed("is redirected to an invalid URL") from error
        raise Failed(f"is redirected more than {self.limits.redirects} times")

    @contextmanager
    def _request(self, host: Host, url: Url, accept: str) -> Iterator[BaseHTTPResponse]:
        headers = {"User-Agent": self.limits.agent, "Accept": accept, "Accept-Encoding": "identity"}
        try:
            with self._network_errors():
                response = self._pools.urlopen(
                    "GET",
                    url.url,
                    redirect=False,
                    retries=False,
                    headers=headers,
                    preload_content=False,
                    decode_content=False,
                    timeout=Timeout(connect=self.limits.timeout, read=self.limits.timeout),
                )
        except Failed as failed:
            host.count_attempt(answered=not failed.again)
            raise
        host.count_attempt(answered=True)
        try:
            yield response
        finally:
            response.close()  # a connection whose response was read to the end is back in its pool
            response.release_conn()

    def _chunks(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        """Yield the body of a response within the limits of time and total bytes."""
        length, most = response.headers.get("Content-Length", ""), self.limits.photo_bytes
        if length.isdecimal() and int(length) > most:
            raise Failed(f"is larger than {most:,} bytes ({int(length):,})")
        end = time.monotonic() + self.limits.photo_seconds
        while True:
            with self._network_errors():
                part = response.read1(CHUNK)
            if not part:
                return
            if time.monotonic() > end:
                raise Failed(f"took longer than {self.limits.photo_seconds:g} s", again=True)
            with self._lock:
                self._received += len(part)
                self.used_up |= self._received > self.limits.total_bytes
            if self.used_up:
                self.end()
                raise Stopped
            yield part

    @contextmanager
    def _network_errors(self) -> Iterator[None]:
        try:
            yield
        except ReadTimeoutError as error:
            raise Failed(f"sent nothing for {self.limits.timeout:g} s", again=True) from error
        except SSLError as error:
            reason = error.args[0] if error.args else error
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise Failed(f"its host has no valid certificate ({reason.verify_message})") from error
            raise Failed(f"the connection broke ({str(reason)[:120]})", again=True) from error
        except (HTTPError, OSError, ValueError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise Failed(f"the connection broke ({reason[:120]})", again=True) from error

    def _host(self, url: Url) -> Host:
        with self._lock:
            return self._hosts.setdefault((url.scheme, url.host, url.port), Host(self.limits, self.stop))

    def _check_robots(self, host: Host, url: Url) -> None:
        """Check a URL against the host's robots.txt, which is read once.

        Raises:
            Failed: it disallows the URL, or cannot be read now.
        """
        with host.robots_lock:
            if host.problem is not None:
                raise Failed(host.problem)
            if host.robots is None:
                try:
                    text = self._retry(str(url), lambda: self._read_robots(url))
                except Failed as failed:
                    host.problem = f"its host's robots.txt cannot be read: {failed}"
                    raise Failed(host.problem) from failed
                host.robots = Robots(text, self.limits.agent)
                host.delay = max(host.delay, host.robots.delay or 0.0)
                if host.delay > self.limits.longest_wait:
                    host.postpone(host.delay)
        if not host.robots.allows(url.request_uri):
            raise Failed("its host's robots.txt disallows it (use --ignore-robots if the host is yours)")

    def _read_robots(self, url: Url) -> str:
        """Return a host's robots.txt; empty where it has none (RFC 9309, 2.3.1: any status 4xx)."""
        content = b""
        try:
            with self._open(url._replace(path="/robots.txt", query=None).url, ANY, robots=False) as response:
                for part in self._chunks(response):
                    content += part
                    if len(content) >= ROBOTS_BYTES:
                        break
        except _NotFound:
            return ""
        return content.decode("utf-8", "replace")


def end_with_image(file: Path) -> None:
    """Cut trailing data after the image in a valid photo file; where the image's end is unknown, save it as a PNG.

    Raises:
        PhotoProblem: it cannot be decoded.
    """
    data = file.read_bytes()
    end = image_end(data)
    if end is None:
        with open_photo(file, (LARGE_SIDE, LARGE_SIDE)) as image:
            image.save(file, "PNG", compress_level=1)
    elif end < len(data):
        file.write_bytes(data[:end])


class _NotFound(Failed):
    """A permanent client error (status 4xx)."""


def _check_status(host: Host, response: BaseHTTPResponse) -> None:
    if response.status == 200:
        return
    if response.status not in AGAIN:
        is_client_error = 400 <= response.status < 500
        raise (_NotFound if is_client_error else Failed)(f"status {response.status}")
    with suppress(InvalidHeader):
        host.postpone(Retry().get_retry_after(response) or 0.0)
    raise Failed(host.problem or f"status {response.status}", again=host.problem is None)
