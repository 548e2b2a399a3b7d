"""`vibes serve` as a process of its own: many clients at once, those that mean harm, and an end in order and in time."""

import base64
import io
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

from helpers.copies import copied
from helpers.newcomers import new_events
from helpers.serving import ask, running
from listing_vibes.run.generations import STATES
from listing_vibes.serving.forget.forget import forget
from listing_vibes.serving.refresh.files import FileSource
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.service.guard import TOKEN
from listing_vibes.serving.service.process import GRACE_S

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def serving(run, descriptors: int | None = None, **environment: str):
    return running(run.path, "--wait-ms", "20", descriptors=descriptors, **environment)


@pytest.fixture
def server(trained):
    with serving(trained) as found:
        yield found


def test_many_clients_are_answered_together_and_the_service_ends_in_order(server, trained):
    process, address = server
    ids = trained.listing_ids

    def one(number: int) -> None:
        history = [{"listing_id": ids[(number + step) % len(ids)]} for step in range(1 + number % 7)]
        found = ask(address, "/recommend", {"history": history, "k": 5})["results"]
        names = {each["listing_id"] for each in found}
        assert len(found) == len(names) == 5 and not names & {event["listing_id"] for event in history}

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(one, range(120)))
        with urllib.request.urlopen(address + "/metrics") as answer:
            told = answer.read().decode()
        batches = float(re.search(r"^vibes_batch_requests_count (\S+)", told, re.MULTILINE)[1])
        assert batches < 100  # 120 requests, several a batch
        late = [pool.submit(one, number) for number in range(24)]
        wait(late, return_when=FIRST_COMPLETED)
        process.send_signal(signal.SIGTERM)
        problems = [future.exception() for future in late]
    assert process.wait(30) == 0
    assert not any(isinstance(problem, AssertionError) for problem in problems)
    assert "Traceback" not in process.stderr.read()


def test_a_port_that_is_taken_is_one_sentence(trained):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "listing_vibes", "serve", str(trained.path), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "choose another with --host and --port" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def half_open(address: str, count: int):
    """So many connections that send the beginning of a request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 256)), hard))
    host, port = address.removeprefix("http://").split(":")
    with ExitStack() as clients:
        for _ in range(count):
            client = clients.enter_context(socket.create_connection((host, int(port)), timeout=60))
            try:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: local")
            except OSError:  # closed already, since others came
                continue
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("descriptors", [None, 256])
def test_fifteen_hundred_half_open_connections_stop_nobody(trained, descriptors):
    with serving(trained, descriptors) as (process, address), half_open(address, 1500):
        for _ in range(5):
            assert ask(address, "/health")["status"] == "ok"
        assert len(ask(address, f"/similar/{trained.listing_ids[0]}?k=3")["results"]) == 3
        assert psutil.Process(process.pid).num_fds() < (descriptors or 2048)


def test_a_body_of_empty_lists_neither_holds_others_up_nor_fills_the_memory(server, trained):
    process, address = server
    body = b'{"photos": [' + b"[]," * (10 * 2**20) + b"[]]}"
    before = psutil.Process(process.pid).memory_info().rss

    def hostile(_: int) -> int:
        request = urllib.request.Request(address + "/embed", body, {"content-type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=120)
        return refused.value.code

    with ThreadPoolExecutor(4) as pool:
        attacks = [pool.submit(hostile, number) for number in range(8)]
        slowest, most = 0.0, 0
        while not all(one.done() for one in attacks):
            begin = time.monotonic()
            ask(address, f"/similar/{trained.listing_ids[0]}?k=3")
            slowest = max(slowest, time.monotonic() - begin)
            most = max(most, psutil.Process(process.pid).memory_info().rss - before)
        assert {one.result() for one in attacks} <= {422, 503}
    assert slowest < 5 and most < 2**29


def test_at_the_end_who_waits_is_answered_or_told_and_the_end_is_in_time(server):
    process, address = server
    stream = io.BytesIO()
    Image.new("RGB", (7900, 7900)).save(stream, "PNG")
    photo = base64.b64encode(stream.getvalue()).decode()

    def embed(_: int) -> int:
        try:
            ask(address, "/embed", {"photos": [photo]})
            return 200
        except urllib.error.HTTPError as error:
            assert "being stopped" in json.loads(error.read())["error"]
            return error.code

    with ThreadPoolExecutor(30) as pool, half_open(address, 50):
        asked = [pool.submit(embed, number) for number in range(30)]
        wait(asked, return_when=FIRST_COMPLETED)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert time.monotonic() - begin < GRACE_S + 2  # of a busy machine
        answers = [future.result() for future in asked]
    assert set(answers) <= {200, 503} and 200 in answers
    assert "Traceback" not in process.stderr.read()


def test_at_the_end_a_client_that_sends_or_reads_slowly_leaves_no_traceback(server):
    process, address = server
    host, port = address.removeprefix("http://").split(":")
    head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n"
    with socket.create_connection((host, int(port))) as sending, socket.socket() as reading:
        sending.sendall(head + b'content-length: 500\r\n\r\n{"history"')
        reading.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        reading.connect((host, int(port)))
        reading.setblocking(False)
        with suppress(BlockingIOError):  # until neither of us can write
            while True:
                reading.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
        time.sleep(1)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert time.monotonic() - begin < GRACE_S + 2
    assert process.stderr.read() == ""


def test_a_token_and_an_allowed_host_are_asked_for(trained):
    with serving(trained, **{TOKEN: "a-token-of-many-characters"}) as (process, address):
        for headers, code in (
            ({}, 401),
            ({"Authorization": "Bearer a-token-of-many-characters", "Host": "evil.example.com"}, 421),
            ({"Authorization": "Bearer a-token-of-many-characters"}, 200),
        ):
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(address + "/health", None, headers)
                ) as answer:
                    assert answer.status == code
            except urllib.error.HTTPError as refused:
                assert refused.code == code
        assert "a-token" not in " ".join(psutil.Process(process.pid).cmdline())


def test_a_short_token_is_one_sentence(trained):
    command = [sys.executable, "-m", "listing_vibes", "serve", str(trained.path), "--port", "0"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=os.environ | {TOKEN: "short"}
    )
    assert done.returncode == 2 and "give at least 16" in done.stderr and "Traceback" not in done.stderr


def test_states_that_newer_ones_replaced_are_let_go_of_so_that_users_are_forgotten_while_it_runs(
    trained, tmp_path
):
    run = copied(trained, tmp_path)
    new = tmp_path / "new"
    new.mkdir()
    rows, user = new_events(run.market, [], 16, 4), run.log.users[0]

    def refreshed(number: int) -> None:
        rows.iloc[4 * number : 4 * number + 4].to_parquet(new / f"{number}.parquet", index=False)
        assert Refresher(run.path, {"events": FileSource(new)}).look().generation == number

    refreshed(1)
    with running(run.path) as (_, address):
        for number in (2, 3):
            refreshed(number)
            end = time.monotonic() + 30
            while ask(address, "/health")["generation"] < number and time.monotonic() < end:
                time.sleep(0.1)
            assert ask(address, f"/recommend/{user}?k=3")["results"]
        forget(run.path, [user])  # refused where somebody still reads a state that has them
    left = [folder.name for folder in (run.path / STATES.folder).iterdir()]
    assert left == ["000004"]
