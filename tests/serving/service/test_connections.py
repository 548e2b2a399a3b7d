"""Real sockets against the server: who is waited for and how long, and who makes room when there is none."""

import asyncio
import socket
import time
from contextlib import ExitStack, closing, contextmanager

import pytest
from fastapi import FastAPI, Request

from helpers.serving import listening
from listing_vibes.serving.service import limits

pytestmark = pytest.mark.slow

MOST = 20
ASK = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/quick")
    async def quick() -> str:
        return "quick"

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(1.5)
        return "slow"

    @app.get("/large")
    async def large() -> str:
        return "x" * 2**24

    @app.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    return app


@pytest.fixture(scope="module")
def port():
    patience = pytest.MonkeyPatch()
    patience.setattr(limits, "READ_S", 3.0)  # a busy machine looks late
    patience.setattr(limits, "WRITE_S", 1.0)
    with listening(make_app(), MOST) as port:
        yield port
    patience.undo()


def opened(port: int, sent: bytes = b"", wait: float = 20) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=wait)
    client.sendall(sent)
    return client


@contextmanager
def many(port: int, count: int, sent: bytes):
    clients = [opened(port, sent) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def told(client: socket.socket) -> bytes:
    """All that comes until the connection is closed or the answer is whole."""
    found = b""
    try:
        while part := client.recv(2**16):
            found += part
            if found.endswith((b'"quick"', b'"slow"', b"Unavailable")):
                break
    except ConnectionResetError:
        pass
    return found


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)  # a look at all of them must take no part of their time
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_half_open_connections_make_room_for_others(port):
    with ExitStack() as held:
        rounds = []
        for _ in range(3):
            rounds.append(held.enter_context(many(port, MOST, b"GET /quick HT")))
            # Its answer says that those before it were read: within a round, who began to ask first is not always who came
            # first, since many are accepted at once and read in whatever order their bytes are ready.
            with closing(opened(port, ASK % b"quick")) as client:
                assert told(client).endswith(b'"quick"')
        closed = [[is_closed(one) for one in each] for each in rounds]
        assert all(closed[0] + closed[1]) and closed[2].count(True) <= 3  # the oldest make room


def test_who_is_being_answered_makes_no_room(port):
    with closing(opened(port, ASK % b"slow")) as client, many(port, 3 * MOST, b"G"):
        assert told(client).endswith(b'"slow"')


def test_where_all_are_being_answered_one_more_is_refused_and_they_are_not(port):
    with many(port, MOST, ASK % b"slow") as busy:
        time.sleep(0.3)
        with closing(opened(port, ASK % b"quick")) as client:
            assert b"503" in told(client)
        assert all(told(one).endswith(b'"slow"') for one in busy)


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"GET /quick HT", b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12",
        ASK % b"quick" + b"\r\n", b"POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
    ],
)  # fmt: skip
def test_nobody_is_waited_for_without_end(port, sent):
    with closing(opened(port, sent)) as client:
        begin = time.monotonic()
        found = told(client)
        if found:
            found = told(client)  # after the answer, nothing more comes
        assert time.monotonic() - begin < 8


def test_who_sends_a_little_every_moment_is_not_waited_for_either(port):
    with closing(opened(port, b"GET /quick HTTP/1.1\r\n")) as client, pytest.raises(OSError):
        for number in range(100):
            client.sendall(b"a%d: b\r\n" % number)
            time.sleep(0.1)


def test_who_reads_nothing_is_not_waited_for(port):
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(20)
        client.connect(("127.0.0.1", port))
        client.sendall(ASK % b"large" * 2)  # the second is being answered as long as the first is not read
        time.sleep(4)
        assert len(told(client)) < 2**24


def test_headers_without_end_are_refused(port):
    with closing(opened(port, b"GET /quick HTTP/1.1\r\n")) as client, pytest.raises(OSError):
        for _ in range(100):
            client.sendall(b"a: " + b"b" * 2**15 + b"\r\n")
            time.sleep(0.01)
    with closing(opened(port, ASK % b"quick")) as client:
        assert told(client).endswith(b'"quick"')
