"""`vibes serve` as a process of its own: many clients at once, and an end in order."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(trained):
    command = [sys.executable, "-m", "core", "serve", str(trained.path), "--port", "0", "--wait-ms", "20"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        line = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, line + process.stderr.read()
        yield process, address[0]
    finally:
        process.kill()
        process.wait()


def ask(address: str, path: str, body=None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


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
        command = [sys.executable, "-m", "core", "serve", str(trained.path), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "choose another with --host and --port" in done.stderr
    assert "Traceback" not in done.stderr
