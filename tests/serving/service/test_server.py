"""`vibes serve` as a process of its own: many clients at once, clients that mean harm, and an end in order and in time."""

import base64
import http.client
import json
import re
import resource
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress

import psutil
import pytest
from PIL import Image

from helpers.commands import vibes
from helpers.pictures import encoded
from helpers.serving import ask, running, stop
from helpers.waiting import PATIENCE_S


@pytest.fixture
def server(trained):
    with running(trained.path) as found:
        yield found


@contextmanager
def half_open(address: str, count: int):
    """So many connections that send the beginning of a request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 256)), hard))
    host, port = address.removeprefix("http://").split(":")
    with ExitStack() as clients:
        for _ in range(count):
            client = clients.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE_S))
            with suppress(OSError):  # closed already, since others came
                client.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_many_clients_are_answered_together_and_the_service_ends_in_order(server, trained):
    process, address = server
    ids = trained.listing_ids

    def recommend(number: int) -> None:
        history = [ids[(number + step) % len(ids)] for step in range(1 + number % 7)]
        results = ask(address, "/recommend", {"history": history, "k": 5})["results"]
        names = {row["listing_id"] for row in results}
        assert len(results) == len(names) == 5 and not names & {*history}

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(recommend, range(120)))
        with urllib.request.urlopen(address + "/metrics") as response:
            text = response.read().decode()
        batches = float(re.search(r"^vibes_batch_requests_count (\S+)", text, re.MULTILINE)[1])
        assert batches < 110  # of 120 requests
        late = [pool.submit(recommend, number) for number in range(24)]
        wait(late, return_when=FIRST_COMPLETED)
        assert "Traceback" not in stop(process)
        assert not any(isinstance(future.exception(), AssertionError) for future in late)


@pytest.mark.slow
def test_half_open_connections_stop_no_client_where_few_files_may_be_open(trained):
    with (
        running(trained.path, descriptors=256) as (process, address),
        half_open(address, 600),
    ):
        for _ in range(5):
            assert ask(address, "/health")["status"] == "ok"
        assert psutil.Process(process.pid).num_fds() < 256


@pytest.mark.slow
def test_at_the_end_waiting_requests_are_answered_or_refused_in_time(server):
    """Photos are encoded on a thread that nothing can stop; some clients send or read slowly."""
    process, address = server
    photo = encoded(Image.new("RGB", (7900, 7900)))
    body = json.dumps({"photos": [base64.b64encode(photo).decode()]})
    host, port = address.removeprefix("http://").split(":")
    sent = threading.Semaphore(0)

    def embed(_: int) -> int:
        with closing(http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)) as connection:
            connection.request("POST", "/embed", body, {"content-type": "application/json"})
            sent.release()
            response = connection.getresponse()
            assert response.status == 200 or "being stopped" in json.loads(response.read())["error"]
            return response.status

    head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n"
    with (
        ThreadPoolExecutor(30) as pool,
        half_open(address, 50),
        socket.create_connection((host, int(port))) as sending,
        socket.socket() as reading,
    ):
        sending.sendall(head + b'content-length: 500\r\n\r\n{"history"')
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        reading.connect((host, int(port)))
        reading.setblocking(False)
        with suppress(BlockingIOError):  # until neither side can write
            while True:
                reading.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        asked = [pool.submit(embed, number) for number in range(30)]
        for _ in asked:  # one that connects after the end has begun is refused by the system
            assert sent.acquire(timeout=PATIENCE_S)
        wait(asked, return_when=FIRST_COMPLETED)
        assert stop(process) == ""
        statuses = {future.result() for future in asked}
    assert 200 in statuses and statuses <= {200, 503}


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_sentence(trained):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "choose another" in vibes("serve", trained.path, "--port", port, check=2).stderr
