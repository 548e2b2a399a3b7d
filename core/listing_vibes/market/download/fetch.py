"""Fetch one photo: politely, with redirects and retries, into a file that exists only once its image was decoded."""

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

from protego import Protego
from urllib3 import BaseHTTPResponse, Retry, Timeout
from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError, SSLError
from urllib3.util import Url

from listing_vibes.market.download.guard import Failed, Guard, Limits, Stopped, parse_photo_url
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.photo_decoding import decoding_problem, image_end, open_photo

REDIRECTS, AGAIN = (301, 302, 303, 307, 308), (408, 425, 429, 500, 502, 503, 504)
PICTURES, ANY = "image/webp,image/*,*/*;q=0.5", "*/*"
ROBOTS_BYTES = 500 * 1024  # the minimum that RFC 9309 requires to be read
CHUNK = 65_536
LARGE_SIDE = 2**16  # pixels: larger than any photo, so that one that is saved again keeps its size
Result = TypeVar("Result")
#: The version of a product, which Protego would take as part of its name.
_VERSION = re.compile(r"^([ \t]*user-agent[ \t]*:[ \t]*[A-Za-z_-]+)/\S*", re.IGNORECASE | re.MULTILINE)


class Robots:
    """The rules of a robots.txt for one agent, parsed by Protego.

    Args:
        text: the content of robots.txt.
        agent: only its product counts (RFC 9309, 2.2.1): "our-shop" of "our-shop (it@example.com)".

    Attributes:
        delay: seconds between two requests, from `Crawl-delay`, which is not in the RFC.
    """

    def __init__(self, text: str, agent: str) -> None:
        self._product = re.sub(r"[^A-Za-z_-].*", "", agent.strip(), flags=re.DOTALL)
        self._rules = Protego.parse(_VERSION.sub(r"\1", text.removeprefix("\ufeff")))
        self.delay = self._rules.crawl_delay(self._product)

    def allows(self, path: str) -> bool:
        """Return whether a path with its query may be requested."""
        return bool(self._rules.can_fetch(f"http://host{path}", self._product))


class Host:
    """The delays between requests to one host and port, its robots.txt, and when to give up on it.

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
            Failed: the host gets no more requests, because it wants a longer delay than allowed or does not respond.
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
                self.problem = f"its host did not respond {self._limits.strikes} times in a row"


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
            with self._lock:
                address = parsed.scheme, parsed.host, parsed.port
                host = self._hosts.setdefault(address, Host(self.limits, self.stop))
            if robots:
                self._check_robots(host, parsed)
            host.wait_turn()
            with self._request(host, parsed, accept) as response:
                if response.status not in REDIRECTS:
                    _check_status(host, response)
                    yield response
                    return
                location = response.headers.get("Location")
            try:
                url = urljoin(url, location or "http://")
            except ValueError as error:
                raise Failed("is redirected to an invalid URL") from error
        raise Failed(f"is redirected more than {self.limits.redirects} times")

    @contextmanager
    def _request(self, host: Host, url: Url, accept: str) -> Iterator[BaseHTTPResponse]:
        headers = {"User-Agent": self.limits.agent, "Accept": accept, "Accept-Encoding": "identity"}
        timeout = Timeout(connect=self.limits.timeout, read=self.limits.timeout)
        try:
            with self._network_errors():
                response = self._pools.urlopen(
                    "GET", url.url, headers=headers, timeout=timeout, redirect=False, retries=False,
                    preload_content=False, decode_content=False,
                )  # fmt: skip
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
        except (HTTPError, OSError, ValueError) as error:
            reason = error.args[0] if isinstance(error, SSLError) and error.args else error
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise Failed(f"its host has no valid certificate ({reason.verify_message})") from error
            text = (str(reason) or type(reason).__name__).splitlines()[0]
            raise Failed(f"the connection broke ({text[:120]})", again=True) from error

    def _check_robots(self, host: Host, url: Url) -> None:
        """Check a URL against the host's robots.txt, which is read once."""
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
        except Failed as failed:
            if failed.again or not 400 <= failed.status < 500:
                raise
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


def _check_status(host: Host, response: BaseHTTPResponse) -> None:
    if response.status == 200:
        return
    if again := response.status in AGAIN:
        with suppress(InvalidHeader):
            host.postpone(Retry().get_retry_after(response) or 0.0)
        if host.problem is not None:
            raise Failed(host.problem)
    raise Failed(f"status {response.status}", again, response.status)
