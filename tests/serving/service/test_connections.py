"""Real sockets against the server: how long a client is waited for, and which connection closes when there is no room."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import pytest
from fastapi import FastAPI, Request

from helpers.serving import listening
from helpers.waiting import PATIENCE_S, wait_until
from listing_vibes.serving.service import limits

pytestmark = pytest.mark.slow

MOST = 20
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: localhost\r\n"


at_work, go = [], threading.Event()  # requests to `/slow`, which are answered once it is set


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/quick")
    async def quick() -> str:
        return "quick"

    @app.get("/slow")
    async def slow() -> str:
        at_work.append(1)
        while not go.is_set():
            await asyncio.sleep(0.02)
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
    patch = pytest.MonkeyPatch()
    patch.setattr(limits, "READ_S", 3.0)
    patch.setattr(limits, "WRITE_S", 1.0)
    with listening(make_app(), MOST) as port:
        yield port
    patch.undo()


def connect(port: int, sent: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    client.sendall(sent)
    return client


@contextmanager
def many(port: int, count: int, sent: bytes):
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connect(port, sent))) for _ in range(count)]


def received(client: socket.socket) -> bytes:
    """Return what arrives until the connection is closed or the response is complete."""
    data = b""
    try:
        while part := client.recv(2**16):
            data += part
            if data.endswith((b'"quick"', b'"slow"', b"\r\n\r\n5", b"Unavailable")):
                break
    except ConnectionResetError:
        pass
    return data


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


UPGRADES = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n"


@pytest.mark.parametrize("sizes", [[10_000], [1] * 10_000, [150, 3, 10_000], [60, 40, 90, 10_000]])
def test_an_offer_of_http_2_is_answered_by_http_1(port, sizes):
    """As Java's client and `curl --http2` send it, in parts of any size; each connection has two such requests."""
    chunked = POST + b"Transfer-Encoding: chunked\r\n" + UPGRADES.lower() + b"\r\n5\r\nhello\r\n0\r\n\r\n"
    plain = POST + b"Content-Length: 2\r\n\r\n12"  # sent with the next one, without waiting for its response
    with closing(connect(port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for sent, expected in (
            (POST + UPGRADES + b"Content-Length: 20\r\n\r\n\r\nupgrade: of a text", [b"20"]), (chunked, [b"5"]),
            (plain + plain + chunked.replace(b"upgrade: h2c", b"x: y"), [b"2", b"2", b"5"]),
        ):  # fmt: skip
            for size in sizes:
                client.sendall(sent[:size])
                sent = sent[size:]
                if len(sizes) < 10:
                    time.sleep(0.05)
            received = b""
            while received.count(b"\r\n\r\n") < len(expected) or not received.endswith(
                b"\r\n\r\n" + expected[-1]
            ):
                part = client.recv(2**16)
                assert part, received
                received += part
            bodies = [item.partition(b"HTTP/1.1")[0] for item in received.split(b"\r\n\r\n")[1:]]
            assert bodies == expected and received.count(b"HTTP/1.1 200 OK") == len(expected)


def test_the_oldest_half_open_connections_are_closed_for_new_ones(port):
    with ExitStack() as stack:
        rounds = []
        for _ in range(3):
            rounds.append(stack.enter_context(many(port, MOST, b"GET /quick HT")))
            # Its response says that those before it were read: within a round, they are read in any order.
            with closing(connect(port, GET % b"quick")) as client:
                assert received(client).endswith(b'"quick"')
        closed = [[is_closed(client) for client in each] for each in rounds]
        assert all(closed[0] + closed[1]) and closed[2].count(True) <= 3


@pytest.mark.parametrize(
    "part", [b"Content-Length: 10\r\n\r\n12", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
def test_unfinished_bodies_do_not_keep_out_whole_requests(port, part):
    """Also not while more of them arrive than the service holds."""
    body = POST + b"Content-Length: 5\r\n\r\nwhole"
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(many(port, 2 * MOST, POST + part))
            for whole, end in ((GET % b"quick", b'"quick"'), (body, b"\r\n\r\n5")):
                with closing(connect(port, whole)) as client:
                    assert received(client).endswith(end)


def test_a_request_at_work_is_not_closed_and_where_all_are_one_more_is_refused(port):
    go.clear()
    with closing(connect(port, GET % b"slow")) as client:
        wait_until(lambda: at_work)
        with many(port, 3 * MOST, b"G"):
            go.set()
            assert received(client).endswith(b'"slow"')
    go.clear()
    at_work.clear()
    with many(port, MOST, GET % b"slow") as busy:
        wait_until(lambda: len(at_work) == MOST)
        with closing(connect(port, GET % b"quick")) as client:
            assert b"503" in received(client)
        go.set()
        assert all(received(client).endswith(b'"slow"') for client in busy)


INCOMPLETE = (
    b"", b"GET /quick HT", POST + b"Content-Length: 10\r\n\r\n12", GET % b"quick" + b"\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc",
)  # fmt: skip


def test_an_incomplete_request_is_closed_in_time(port):
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(port, sent))) for sent in INCOMPLETE]
        for client in clients:
            if received(client):
                received(client)  # after the response nothing more comes, and the connection ends
            assert is_closed(client)


@pytest.mark.parametrize(("line", "pause"), [(b"a: b\r\n", 0.1), (b"a: " + b"b" * 2**15 + b"\r\n", 0.01)])
def test_headers_without_end_are_refused_slow_or_large(port, line, pause):
    with closing(connect(port, b"GET /quick HTTP/1.1\r\n")) as client, pytest.raises(OSError):
        for _ in range(round(PATIENCE_S / pause)):
            client.sendall(line)
            time.sleep(pause)
    with closing(connect(port, GET % b"quick")) as client:
        assert received(client).endswith(b'"quick"')


def test_headers_that_end_in_line_feeds_alone_are_refused_at_once(port):
    with closing(socket.create_connection(("127.0.0.1", port), timeout=limits.READ_S)) as client:
        client.sendall(GET.replace(b"\r", b"") % b"quick")
        begin = time.monotonic()
        assert client.recv(1000).startswith(b"HTTP/1.1 400")
        assert time.monotonic() - begin < limits.READ_S / 2


def test_a_client_that_does_not_read_is_closed(port):
    for pause in (4, 16, 64):  # the time that a busy machine takes to see it
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.settimeout(PATIENCE_S)
            client.connect(("127.0.0.1", port))
            client.sendall(GET % b"large" * 2)  # the second is at work as long as the first is not read
            time.sleep(pause)
            if len(received(client)) < 2**24:
                return
    pytest.fail("the whole response came")
