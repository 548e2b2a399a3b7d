"""A soak: clients on the service for minutes, malformed requests and half-open connections among them, then SIGTERM.

python tests/benchmarks/soak.py [RUN] --minutes 15 --clients 100
python tests/benchmarks/soak.py --minutes 1 --json

Reports requests a second, answers by kind and status, what was answered otherwise than it should be, the service's memory
by minute and its slope, and the time from SIGTERM to the end while all clients go on.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from listing_vibes.run.run import Run

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "assets" / "demo" / "run"


@dataclass(frozen=True)
class Kind:
    """A request that clients send: its bytes, how often, and the statuses that are right."""

    name: str
    weight: float
    content: bytes
    right: tuple[int, ...]


@dataclass
class Found:
    """What clients saw."""

    answers: Counter = field(default_factory=Counter)  # by (kind, status)
    wrong: Counter = field(default_factory=Counter)  # by (kind, what)
    seconds: list[float] = field(default_factory=list)  # of right requests that were answered


def http(method: str, path: str, body: bytes | None = None, length: int | None = None) -> bytes:
    """A request of HTTP/1.1."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if body is not None:
        head += (
            f"Content-Type: application/json\r\nContent-Length: {len(body) if length is None else length}\r\n"
        )
    return head.encode() + b"\r\n" + (body or b"")


def kinds(run: Run, rng: random.Random) -> list[list[Kind]]:
    """For each kind of request several of it."""
    ids, users = run.listing_ids, run.log.users
    some = [{"listing_id": rng.choice(ids)} for _ in range(1000)]

    def history(number: int) -> bytes:
        return json.dumps({"history": some[number : number + 1 + number % 9], "k": 30}).encode()

    def photo(width: int) -> str:
        stream = io.BytesIO()
        Image.new("RGB", (width, width), (rng.randrange(256), 90, 120)).save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode()

    large = photo(9000)
    made: list[list[Kind]] = []

    def add(name: str, weight: float, right: tuple[int, ...], contents: Sequence[bytes]) -> None:
        made.append([Kind(name, weight, content, right) for content in contents])

    add("recommend", 40, (200,), [http("POST", "/recommend", history(n)) for n in range(200)])
    add("user", 15, (200,), [http("GET", f"/recommend/{rng.choice(users)}?k=20") for _ in range(100)])
    add("similar", 15, (200,), [http("GET", f"/similar/{rng.choice(ids)}?k=20") for _ in range(100)])
    add("health", 2, (200,), [http("GET", "/health"), http("GET", "/metrics")])
    add(
        "embed",
        0.5,
        (200, 503),
        [http("POST", "/embed", json.dumps({"photos": [photo(300)], "k": 5}).encode()) for _ in range(5)],
    )
    add(
        "unknown",
        5,
        (404, 422),
        [http("GET", "/similar/none"), http("GET", "/nowhere"), http("GET", "/health?a=1")],
    )
    add(
        "no json",
        5,
        (422,),
        [
            http("POST", "/recommend", body)
            for body in (
                b"{",
                b"[]",
                b'{"history": [{"listing_id": "\\ud800"}]}',
                b'{"history": ' + b"9" * 5000 + b"}",
            )
        ],
    )
    add("deep", 2, (422,), [http("POST", "/recommend", b"[" * 500_000)])
    add(
        "empty lists",
        0.2,
        (422, 503),
        [http("POST", "/embed", b'{"photos": [' + b"[]," * 10_000_000 + b"[]]}")],
    )
    add(
        "too large", 1, (413,), [http("POST", "/recommend", b" " * 2**21), http("POST", "/embed", b"", 2**40)]
    )
    add("pixels", 0.5, (422, 503), [http("POST", "/embed", json.dumps({"photos": [large] * 30}).encode())])
    add(
        "no http",
        3,
        (400,),
        [
            b"\x16\x03\x01" + bytes(200),
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            os.urandom(500) + b"\r\n\r\n",
        ],
    )
    add("host", 2, (421,), [b"GET /health HTTP/1.1\r\nHost: evil.example.com\r\n\r\n"])
    add(
        "half open",
        3,
        (0,),
        [b"GET /health HT", b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{"],
    )
    return made


async def client(port: int, all_kinds: list[list[Kind]], found: Found, seed: int, until: float) -> None:
    """Send one request after the other until the time is up, on one connection while it lasts."""
    rng = random.Random(seed)
    weights = [some[0].weight for some in all_kinds]
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    while time.monotonic() < until:
        kind = rng.choice(rng.choices(all_kinds, weights)[0])
        begin = time.monotonic()
        try:
            if writer is None or reader is None:
                reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 30)
            writer.write(kind.content)
            if kind.right == (0,):  # left open: the service has to close it
                found.answers[kind.name, "left open"] += 1
                await asyncio.sleep(rng.random())
                raise ConnectionAbortedError
            status, keep = await asyncio.wait_for(_answer(reader, writer), 60)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            if kind.right != (0,):
                found.wrong[kind.name, type(error).__name__] += 1
            keep, status = False, None
        if status is not None:
            found.answers[kind.name, str(status)] += 1
            if status not in kind.right:
                found.wrong[kind.name, str(status)] += 1
            if kind.right == (200,):
                found.seconds.append(time.monotonic() - begin)
        if not keep and writer is not None:
            writer.close()
            reader = writer = None
        await asyncio.sleep(0)
    if writer is not None:
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bool]:
    """Status of the next answer, and whether the connection goes on."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if length:
        await reader.readexactly(int(length[1]))
    chunked = b"transfer-encoding: chunked" in head.lower()
    while chunked:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + 2)
        chunked = size > 0
    return int(head.split()[1]), b"connection: close" not in head.lower()


async def watch(process: psutil.Process, minutes: list[tuple[float, float]], until: float) -> None:
    """(minute, MiB) of the service's memory, every second."""
    begin = time.monotonic()
    while time.monotonic() < until:
        minutes.append(((time.monotonic() - begin) / 60, process.memory_info().rss / 2**20))
        await asyncio.sleep(1)


async def stop(
    process: subprocess.Popen, port: int, all_kinds: list[list[Kind]], clients: int
) -> tuple[float, Counter]:
    """Seconds from SIGTERM to the end while clients go on, and what these saw."""
    found, until = Found(), time.monotonic() + 15
    tasks = [asyncio.ensure_future(client(port, all_kinds, found, 10_000 + n, until)) for n in range(clients)]
    await asyncio.sleep(2)
    found.answers.clear()
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    while process.poll() is None and time.monotonic() - begin < 120:
        await asyncio.sleep(0.01)
    seconds = time.monotonic() - begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seconds, found.answers


async def soak(told: argparse.Namespace, process: subprocess.Popen, port: int) -> dict:
    all_kinds = kinds(Run.open(told.run), random.Random(told.seed))
    found, memory = Found(), list[tuple[float, float]]()
    warm = time.monotonic() + min(20, told.minutes * 20)
    await asyncio.gather(*(client(port, all_kinds, Found(), n, warm) for n in range(told.clients)))
    until = time.monotonic() + told.minutes * 60
    begin = time.monotonic()
    await asyncio.gather(
        watch(psutil.Process(process.pid), memory, until),
        *(client(port, all_kinds, found, n, until) for n in range(told.clients)),
    )
    lasted = time.monotonic() - begin
    ending, after = await stop(process, port, all_kinds, told.clients)
    minutes, used = np.array(memory).T
    by_minute = [
        round(float(used[minutes.astype(int) == one].mean()), 1) for one in range(int(minutes.max()) + 1)
    ]
    later = minutes >= minutes.max() / 3  # until then caches and the allocator fill up
    total = sum(found.answers.values())
    quantiles = np.quantile(found.seconds, [0.5, 0.99]) if found.seconds else (0, 0)
    return {
        "run": str(told.run), "clients": told.clients, "seconds": round(lasted, 1), "requests": total,
        "requests_per_s": round(total / lasted, 1), "p50_ms": round(quantiles[0] * 1000, 1), "p99_ms": round(quantiles[1] * 1000, 1),
        "answers": {f"{kind} {status}": count for (kind, status), count in sorted(found.answers.items())},
        "wrong": {f"{kind} {what}": count for (kind, what), count in sorted(found.wrong.items())},
        "memory_mib_by_minute": by_minute, "memory_mib_most": round(float(used.max()), 1),
        "memory_slope_mib_per_minute_of_last_two_thirds": round(float(np.polyfit(minutes[later], used[later], 1)[0]), 2),
        "sigterm_to_end_s": round(ending, 2), "exit_code": process.returncode,
        "answered_while_ending": {f"{kind} {status}": count for (kind, status), count in sorted(after.items())},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    command = [sys.executable, "-m", "listing_vibes", "serve", str(told.run), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if address is None:
            raise SystemExit(line + process.stderr.read())
        document = asyncio.run(soak(told, process, int(address[1])))
        document["log"] = process.stderr.read()[-2000:]
    finally:
        process.kill()
        process.wait()
    if told.json:
        print(json.dumps(document))
        return
    for name, value in document.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
