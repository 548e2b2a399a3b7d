"""One photo: its redirects, its retries, and a file that is there once a picture was decoded from it."""

from __future__ import annotations

import http.client
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin

from listing_vibes.market.download.address import Address
from listing_vibes.market.download.connection import Connection
from listing_vibes.market.download.hosts import Host, Web
from listing_vibes.market.download.limits import Failed, Stopped
from listing_vibes.market.download.robots import Robots
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.photo_check import undecodable
from listing_vibes.market.photo_ending import end_with_image

REDIRECTS, AGAIN = (301, 302, 303, 307, 308), (408, 425, 429, 500, 502, 503, 504)
PICTURES, ANY = "image/avif,image/webp,image/*,*/*;q=0.5", "*/*"
ROBOTS_BYTES = 500 * 1024  # that RFC 9309 wants to be read at least
LONGEST_BACKOFF = 30.0


def fetch(web: Web, url: str, file: Path) -> int:
    """Fetch a photo into `file`, which is there whole or not at all; returns its size in bytes.

    Raises:
        Failed: with the reason.
        Stopped: the download ends meanwhile.
        VibesError: the file cannot be written.
    """
    for attempt in range(web.limits.retries + 1):
        try:
            return _fetched(web, url, file)
        except Failed as failed:
            if web.stop.is_set():  # the connection was broken from here
                raise Stopped from failed
            if not failed.again or attempt == web.limits.retries:
                raise
            wait = _backoff(web, url, attempt)
            if failed.after is None or failed.after < wait:  # otherwise the host waits as a whole
                web.sleep(wait)
    raise AssertionError  # the last attempt raises


def _backoff(web: Web, url: str, attempt: int) -> float:
    """Doubled each time, and drawn out by the address, so that many that failed together do not come back together."""
    spread = 1 + zlib.crc32(f"{attempt} {url}".encode("utf-8", "surrogatepass")) / 2**32
    return float(min(LONGEST_BACKOFF, web.limits.backoff * 2**attempt * spread))


def _fetched(web: Web, url: str, file: Path) -> int:
    for _ in range(web.limits.redirects + 1):
        address = Address.of(url)
        host = web.host(address)
        if web.limits.robots:
            _ask_robots(web, host, address)
        with host.connection(address) as connection, connection.asked(address, PICTURES) as answer:
            if answer.status in REDIRECTS:
                url = _onward(connection, answer, url)
                continue
            _check_status(web, host, answer)
            return _kept(web, connection, answer, file)
    raise Failed(f"leads on more than {web.limits.redirects} times")


def _onward(connection: Connection, answer: http.client.HTTPResponse, url: str) -> str:
    place = answer.getheader("Location")
    if not place:
        raise Failed(f"leads on (status {answer.status}) without saying where")
    connection.close()  # its body is not worth reading
    try:
        return urljoin(url, place)
    except ValueError as error:
        raise Failed("leads on to what is no address") from error


def _check_status(web: Web, host: Host, answer: http.client.HTTPResponse) -> None:
    if answer.status == 200:
        return
    if answer.status not in AGAIN:
        raise Failed(f"status {answer.status}")
    after = _retry_after(answer.getheader("Retry-After"))
    if after is not None and after > web.limits.longest_wait:
        host.leave(f"its host asks to come back in {after:,.0f} s (status {answer.status})")
        raise Failed(f"its host asks to come back in {after:,.0f} s (status {answer.status})")
    if after is not None:
        host.pause(after)
    raise Failed(f"status {answer.status}", again=True, after=after)


def _retry_after(told: str | None) -> float | None:
    """Seconds to wait by a Retry-After header, of seconds or a date (RFC 9110, 10.2.3); None where it says nothing."""
    if not told:
        return None
    if told.strip().isdecimal():
        return min(float(told), 1e9)
    try:
        moment = parsedate_to_datetime(told)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _kept(web: Web, connection: Connection, answer: http.client.HTTPResponse, file: Path) -> int:
    most, size = web.limits.photo_bytes, 0
    if answer.length is not None and answer.length > most:
        raise Failed(f"is larger than {most:,} bytes ({answer.length:,})")
    with atomic_path(file) as temporary:
        with temporary.open("wb") as out:
            for part in connection.chunks(answer):
                size += len(part)
                if size > most:
                    raise Failed(f"is larger than {most:,} bytes")
                web.take(len(part))
                out.write(part)
        problem = undecodable(temporary)
        if problem is not None:
            kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip()
            said = f" (its host calls it {kind[:60]})" if kind and not kind.startswith("image/") else ""
            raise Failed(f"{problem}{said}")
        end_with_image(temporary)
        size = temporary.stat().st_size
    return size


def _ask_robots(web: Web, host: Host, address: Address) -> None:
    """Raises:
    Failed: the host's robots.txt does not allow the address, or cannot be read for now.
    """
    with host.robots_lock:
        if host.robots is None:
            host.robots = _robots(web, host, address)
            delay = host.robots.delay
            if delay is not None and delay > web.limits.longest_wait:
                host.leave(f"its host's robots.txt asks for {delay:g} s between two requests")
            elif delay is not None:
                host.delay = max(host.delay, delay)
    if not host.robots.allows(address.target):
        raise Failed("its host's robots.txt does not allow it (--ignore-robots where the host is yours)")


def _robots(web: Web, host: Host, address: Address) -> Robots:
    failed = Failed("")
    for attempt in range(web.limits.retries + 1):
        try:
            return Robots(_robots_text(web, address), web.limits.agent)
        except Failed as error:
            failed = error
            if web.stop.is_set():
                raise Stopped from error
            if not error.again or attempt == web.limits.retries:
                break
            if error.after is None:
                web.sleep(_backoff(web, address.host, attempt))
    if not failed.again:
        raise failed
    host.leave(f"its host's robots.txt cannot be read: {failed}")
    raise Failed(f"its host's robots.txt cannot be read: {failed}")


def _robots_text(web: Web, address: Address) -> str:
    """Return a host's robots.txt; nothing where it has none (RFC 9309, 2.3.1: any status 4xx)."""
    url = f"{address.scheme}://{f'[{address.host}]' if ':' in address.host else address.host}:{address.port}/robots.txt"
    for _ in range(web.limits.redirects + 1):
        here = Address.of(url)
        host = web.host(here)
        with host.connection(here) as connection, connection.asked(here, ANY) as answer:
            if answer.status in REDIRECTS:
                url = _onward(connection, answer, url)
                continue
            if 400 <= answer.status < 500 and answer.status not in AGAIN:
                connection.close()
                return ""
            _check_status(web, host, answer)
            content = b""
            for part in connection.chunks(answer):
                web.take(len(part))
                content += part
                if len(content) >= ROBOTS_BYTES:
                    connection.close()
                    break
            return content.decode("utf-8", "replace")
    return ""
