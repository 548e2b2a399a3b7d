"""A service in this process, asked without a network or on a port, or in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from helpers.waiting import PATIENCE_S
from listing_vibes.serving.event_database import Database
from listing_vibes.serving.events import EVENT, PostedEventLog, read_events
from listing_vibes.serving.experiment import Setup
from listing_vibes.serving.impressions import ImpressionLog
from listing_vibes.serving.service.access import Access
from listing_vibes.serving.service.app import FOLLOW_S, make_app
from listing_vibes.serving.service.lists import CurrentRun
from listing_vibes.serving.service.server import END_S, server_config
from listing_vibes.serving.service.service import Service


def app_of(
    run: Path,
    events: Path | str | None = None,
    impressions: Path | str | None = None,
    hash_users: bool = False,
    blend: str | None = None,
    experiment: tuple[Setup, CurrentRun] | None = None,
    access: Access | None = None,
    follow_s: float = FOLLOW_S,
) -> FastAPI:
    """The application of a service over a run."""
    current = CurrentRun(run, blend)
    log = None if events is None else PostedEventLog(events, lambda: current.state.run)
    recorder = None if impressions is None else ImpressionLog(impressions, hash_users)
    return make_app(Service(current, log, recorder, experiment), access, follow_s=follow_s)


def serving(app: FastAPI, **told: Any) -> TestClient:
    """A client of the service, to be entered."""
    return TestClient(app, base_url="http://localhost", **told)


@contextmanager
def listening(app: FastAPI, connections: int = 1024) -> Iterator[int]:
    """The port of the real server over an application, on a thread of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as bound:
        server = uvicorn.Server(server_config(app, connections))
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)


@contextmanager
def running(
    run: Path, *options: str, descriptors: int | None = None, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`vibes serve` as a process of its own, with at most so many open files, and its address; killed at the end."""
    command = [sys.executable, "-m", "listing_vibes", "serve", str(run), "--port", "0", *options]
    if descriptors:
        command = ["bash", "-c", f'ulimit -n {descriptors}; exec "$@"', "bash", *command]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=root, env=os.environ | environment
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, line + process.stderr.read()
        yield process, address[0]
    finally:
        process.kill()
        process.wait()


def stop(process: subprocess.Popen[str]) -> str:
    """End a service of `running`, in time and in order, and return what it wrote to stderr."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert time.monotonic() - begin < 3 * END_S  # on a busy machine
    assert process.stderr is not None
    return process.stderr.read()


def ask(address: str, path: str, body: Any = None) -> Any:
    """The JSON that a service answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


def stored_events(place: Path | str) -> list[dict[str, Any]]:
    """The posted events of a database, in the order of their ids, without empty columns."""
    database = Database(place, "--events")
    rows = read_events(database)
    database.close()
    return [{name: value for name in EVENT if (value := getattr(row, name)) is not None} for row in rows]


@contextmanager
def locked(place: Path | str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the write lock of a database, stopped by SIGSTOP until the end, when it is killed."""
    code = (
        "import sys, time; from listing_vibes.serving.event_database import Database\n"
        "with Database(sys.argv[1], '--events', create=True).write(): print('locked', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "locked\n"
        process.send_signal(signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        process.wait()
