"""`vibes serve --workers`: several processes at one address that know the same, count together, and outlive one of them."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers.copies import copied
from helpers.serving import ask, running
from listing_vibes.run.additions import Additions
from listing_vibes.run.fits import Fit
from listing_vibes.run.gained import asking, gained_index
from listing_vibes.run.run import Run
from listing_vibes.run.shared import Shared
from listing_vibes.serving.impressions.tables import read_impressions
from listing_vibes.serving.refresh.loop import source_of
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.service.listening import join, keep_place, listen
from listing_vibes.serving.service.process import GRACE_S
from listing_vibes.serving.service.workers import SILENT_S

PATIENCE_S = 180  # of a busy machine
ROOT = Path(__file__).parents[3]


def test_vectors_are_made_once_and_mapped_by_all(trained, tmp_path, monkeypatch):
    own, gain = trained.index("model"), np.linspace(0, 1, len(trained.listing_ids), dtype=np.float32)
    first, second = Run.open(trained.path), Run.open(trained.path)
    first.shared = second.shared = Shared(tmp_path)
    queries = own.vectors[:3]
    for one in (first, second):
        np.testing.assert_array_equal(one.vectors("model"), own.vectors)
        for index, asked, there in (
            (one.index("model"), queries, own),
            (gained_index(one, "model", gain), asking(queries), gained_index(trained, "model", gain)),
        ):
            for mine, theirs in zip(index.search(asked, 5), there.search(asked, 5), strict=True):
                np.testing.assert_array_equal(mine, theirs)
        monkeypatch.setattr(Shared, "_make", None)  # the second finds it
    monkeypatch.undo()
    near = Additions(first, Fit(name="near", space="attributes"))._near
    for base in (first.vectors("model"), near.vectors):
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert isinstance(base, np.memmap) and base.filename.parent == tmp_path
    newer = gained_index(first, "model", gain * 2)  # the one of before is nobody's any more
    np.testing.assert_array_equal(newer.vectors[:, -1], np.where(own.known, gain * 2, 0))
    assert len(list(tmp_path.glob("*.npy"))) == 6 and not list(tmp_path.glob(".writing*"))


def test_an_address_is_shared_by_those_who_join_and_by_nobody_else():
    with keep_place("127.0.0.1", 0) as place:
        port = place.getsockname()[1]
        with join("127.0.0.1", port), join("127.0.0.1", port):
            for taken in (listen, keep_place):
                with pytest.raises(Exception, match="choose another with --host and --port"):
                    taken("127.0.0.1", port)


def answered(address: str, by: int, path: str, body: object = None) -> dict:
    """What one of the processes answers: a connection stays with whom it came to."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        with closing(client):
            if _told(client, "/health")["worker"] == by:
                return _told(client, path, body)
    raise AssertionError(f"nobody came to {by}")


def _told(client: http.client.HTTPConnection, path: str, body: object = None) -> dict:
    headers = {"content-type": "application/json"}
    client.request("GET" if body is None else "POST", path, body and json.dumps(body), headers=headers)
    answer = client.getresponse()
    told = json.loads(answer.read())
    assert answer.status == 200, told
    return told


def workers_of(address: str, count: int) -> set[int]:
    """The numbers of so many processes."""
    found: set[int] = set()
    until = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < until:
        found.add(ask(address, "/health")["worker"])
        time.sleep(0.1)
    assert len(found) == count
    return found


def counted(address: str, name: str) -> float:
    with socket.create_connection(address.removeprefix("http://").split(":"), 60) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        told = client.makefile().read()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", told, re.MULTILINE))


@pytest.mark.slow
def test_two_processes_are_one_service_and_one_that_is_killed_is_replaced(trained, tmp_path):
    run, events, shown = copied(trained, tmp_path), tmp_path / "events", tmp_path / "shown"
    user, lists = run.log.users[3], 0
    options = [str(run.path), "--workers", "2", "--interleave", "--events", str(events)]
    with running(run.path, *options, "--impressions", str(shown)) as (process, address):
        one, two = workers_of(address, 2)
        path = f"/recommend/{user}?k=9&live_only=false"
        before, same = (answered(address, by, path)["results"] for by in (one, two))
        assert [row["listing_id"] for row in before] == [row["listing_id"] for row in same]
        seen = before[0]["listing_id"]
        event = {"user_id": user, "listing_id": seen, "event_id": "e"}
        assert answered(address, one, "/events", event)["accepted"] == 1
        assert answered(address, two, "/events", event)["repeated"] == ["e"]
        assert seen not in {row["listing_id"] for row in answered(address, two, path)["results"]}
        lists += 3

        requests = counted(address, "vibes_requests_total")
        assert requests >= 7 and counted(address, "vibes_batch_requests_sum") == lists
        psutil.Process(two).kill()
        lost = 0
        for _ in range(50):
            try:
                assert len(ask(address, path)["results"]) == 9
                lists += 1
            except (urllib.error.URLError, ConnectionError):  # was with the one that died
                lost += 1
        assert lost <= 2
        both = workers_of(address, 2)
        (new,) = both - {one}
        assert new != two
        assert seen not in {row["listing_id"] for row in answered(address, new, path)["results"]}
        lists += 1
        assert counted(address, "vibes_requests_total") > requests + 50 - lost  # the dead one's count
        assert counted(address, "vibes_waiting_requests") == 0

        Refresher(run.path, {"events": source_of("events", str(events), None)}).look()
        until = time.monotonic() + PATIENCE_S
        while counted(address, "vibes_run_generation") < 1 and time.monotonic() < until:
            time.sleep(0.2)
        assert [answered(address, by, "/health")["generation"] for by in both] == [1, 1]

        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0 and time.monotonic() - begin < GRACE_S + 2
        told = process.stderr.read()
    assert f"Process {two} of the service is replaced: it ended with -9" in told
    assert "Traceback" not in told and not any(psutil.pid_exists(worker) for worker in both)
    kept = read_impressions(shown)
    assert kept["request_id"].nunique() == lists


@pytest.mark.slow
def test_a_process_that_is_stopped_is_replaced_and_what_it_held_is_free(trained, tmp_path):
    events = tmp_path / "events"
    with running(trained.path, "--workers", "2", "--events", str(events)) as (process, address):
        one, two = workers_of(address, 2)
        psutil.Process(two).suspend()
        until = time.monotonic() + PATIENCE_S
        while psutil.pid_exists(two) and time.monotonic() < until:
            time.sleep(0.2)
        assert workers_of(address, 2) != {one, two}
        assert ask(address, "/events", {"user_id": "u", "listing_id": "a"})["accepted"] == 1

        group = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        before = workers_of(address, 2)
        for signal_ in (signal.SIGSTOP, signal.SIGCONT):  # all of them, as a terminal does: nobody is silent
            for pid in group:
                os.kill(pid, signal_)
            time.sleep(SILENT_S + 2)
        assert workers_of(address, 2) == before
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert f"Process {two} of the service is replaced: it gave no sign" in process.stderr.read()


@pytest.mark.slow
def test_what_no_process_can_open_is_one_sentence(tmp_path):
    command = [sys.executable, "-m", "listing_vibes", "serve", str(tmp_path), "--port", "0", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 2 and str(tmp_path) in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
