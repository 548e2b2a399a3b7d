"""`vibes serve --workers`: several processes at one address that know the same, count together, and outlive one of them."""

import http.client
import json
import re
import socket
import urllib.error
import urllib.request
from contextlib import closing

import numpy as np
import pandas as pd
import psutil
import pytest

from helpers.blends import fixed_blend
from helpers.commands import vibes
from helpers.copies import copied
from helpers.serving import ask, running, stop
from helpers.waiting import PATIENCE_S, wait_until
from listing_vibes.market import log as log_module
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import run_blend
from listing_vibes.search.index import Shared
from listing_vibes.serving.impressions import read_impressions
from listing_vibes.serving.refresh.polls import source_of
from listing_vibes.serving.refresh.refresher import Refresher


def test_vectors_are_made_once_and_mapped_by_all(trained, tmp_path):
    made = []
    own = trained.index("model")
    first, second = Run.open(trained.path), Run.open(trained.path)
    first.shared = second.shared = Shared(tmp_path)
    queries = own.vectors[:3]
    for one in (first, second):
        np.testing.assert_array_equal(one.vectors("model"), own.vectors)
        for mine, theirs in zip(one.index("model").search(queries, 5), own.search(queries, 5), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        made.append({path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")})
    assert made[0] == made[1]
    near = run_blend(first, fixed_blend(attributes=1.0)).scorers["attributes"]
    for base in (first.vectors("model"), near.vectors):
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert isinstance(base, np.memmap) and base.filename.parent == tmp_path
    assert len(list(tmp_path.glob("*.npy"))) == 2 and not list(tmp_path.glob(".writing*"))


def test_lists_of_mapped_events_are_those_of_a_process_of_its_own(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(log_module, "FEWEST", 1)
    own, shared = copied(trained, tmp_path / "one"), tmp_path / "shared"
    shared.mkdir()
    users = own.log.users[:3]  # the events are cached now
    mapped = Run.open(own.path)
    mapped.shared = Shared(shared)
    base = mapped.log.listing
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap) and base.filename.parent == shared
    for user in users:
        pd.testing.assert_frame_equal(mapped.recommend(user, k=6), own.recommend(user, k=6))


def answered(address: str, by: int, path: str, body: object = None) -> dict:
    """What one of the processes answers: a connection stays with the process that accepted it."""

    def try_one() -> dict | None:
        with closing(
            http.client.HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE_S)
        ) as client:
            return _request(client, path, body) if _request(client, "/health")["worker"] == by else None

    return wait_until(try_one)


def _request(client: http.client.HTTPConnection, path: str, body: object = None) -> dict:
    headers = {"content-type": "application/json"}
    client.request("GET" if body is None else "POST", path, body and json.dumps(body), headers=headers)
    response = client.getresponse()
    content = json.loads(response.read())
    assert response.status == 200, content
    return content


def workers_of(address: str, count: int, without: int = 0) -> set[int]:
    """The numbers of so many processes that answer."""
    found: set[int] = set()

    def is_complete() -> bool:
        found.update({ask(address, "/health")["worker"]} - {without})
        return len(found) == count

    wait_until(is_complete, 0.1)
    return found


def counted(address: str, name: str) -> float:
    with socket.create_connection(address.removeprefix("http://").split(":"), 60) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        text = client.makefile().read()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@pytest.mark.slow
def test_two_processes_are_one_service_and_one_that_is_killed_or_stopped_is_replaced(trained, tmp_path):
    run, events, shown = copied(trained, tmp_path), tmp_path / "events", tmp_path / "shown"
    user = run.log.users[3]
    options = [str(run.path), "--workers", "2", "--events", str(events)]
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
        lists = 3

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
        (new,) = workers_of(address, 2, without=two) - {one}
        assert seen not in {row["listing_id"] for row in answered(address, new, path)["results"]}
        lists += 1
        assert counted(address, "vibes_requests_total") > requests + 50 - lost  # the dead one's count
        wait_until(lambda: counted(address, "vibes_waiting_requests") == 0, 0.1)

        psutil.Process(one).suspend()
        wait_until(lambda: not psutil.pid_exists(one), 0.2)
        both = workers_of(address, 2, without=one)
        Refresher(run.path, {"events": source_of("events", str(events), None)}).refresh()
        wait_until(lambda: counted(address, "vibes_run_version") >= 1, 0.2)
        assert [answered(address, by, "/health")["version"] for by in both] == [1, 1]

        errors = stop(process)
    assert f"Process {two} of the service died" in errors and f"Process {one} of the service died" in errors
    assert "Traceback" not in errors and not any(psutil.pid_exists(worker) for worker in both)
    assert read_impressions(shown)["request_id"].nunique() == lists


def test_what_no_process_can_open_is_one_sentence(tmp_path):
    error = vibes("serve", tmp_path, "--port", "0", "--workers", "2", check=2).stderr
    assert str(tmp_path) in error and len(error.splitlines()) == 1
