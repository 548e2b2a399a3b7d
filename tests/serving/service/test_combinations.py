"""Good requests beside every kind of bad one: each good one gets its list, each bad one a sentence without a path of the server."""

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest

from helpers.serving import app_of, listening, running
from helpers.waiting import PATIENCE_S
from listing_vibes.request_errors import SENTENCES
from listing_vibes.run.run import Run
from listing_vibes.serving.service.access import STATUSES
from listing_vibes.serving.service.models import PostedHistory, RecommendQuery, SimilarQuery

LONG = "1" + " " * 40_000 + "x"
#: Values of each parameter of a list that are malformed, out of range or unknown to the run.
BAD: dict[str, list[Any]] = {
    "k": [0, -1, 1001, "x", 10**30],
    "live_only": ["perhaps"],
    "drop_seen": ["perhaps"],
    "same": ["nowhere", LONG],
    "at_most": [0, "x", 2],
    "seller": ["nowhere", "district"],
    "diversity": [1, -0.1, "nan", "x"],
    "where": ["rooms", "rooms=", "nowhere=1", "rooms<=x", "within 3km of 99,0", "live on 2025-13-45", "price=" + "1|" * 6000, LONG],
    "pin": ["nowhere=1", "rooms>=many", "nowhere", "", LONG],
    "block": ["nowhere", "", LONG],
    "owner": ["nowhere", "", LONG],
    "not": ["nowhere", "", LONG],
    "boost": ["fresh", "nowhere=1 0.5", "rooms>=2", "rooms>=2 11", "fresh 11 1d", "near 48,11 0.5", "near 99,0 0.5 1km", "fresh 0 1d", LONG],
    "dial": ["x", "x 1 model", "x 1 model +nowhere", "x 11 model +home-0001", "x 1 sound +home-0001", "x 1 photos +home-0001", LONG],
    "fill": ["perhaps"],
    "at": ["noon", "1500-01-01", "12", "31/31/2024", 5, 10**30, LONG],
    "explain": ["perhaps"],
    "explain_ms": [0, 10**6, "x"],
    "space": ["sound", "photos", LONG],
    "blend": ["luck", "recency+luck", "+", LONG],
    "nonsense": ["1"],
}  # fmt: skip
BODIES: list[tuple[str, Any]] = [
    *(("/recommend", {"history": history}) for history in ([[]], [{}], [None], ["x" * 201], ["a"] * 1001, "home-0001")),
    ("/recommend", {"history": [{"listing_id": "home-0001", "action": "stare"}]}),
    ("/recommend", {"history": [{"listing_id": "home-0001", "action": LONG}]}),
    ("/recommend", {"history": [{"listing_id": "home-0001", "duration_s": -1}]}),
    ("/recommend", {"history": [], "user_id": LONG}),
    ("/recommend", "no object"),
    *(
        ("/embed", body)
        for body in (
            {"attributes": {"nowhere": 1}}, {"attributes": {"district": "\ud800"}}, {"attributes": {"price": ["\ud800"]}}, {"attributes": {"price": "a lot"}}, {"photos": ["%"]}, {"spaces": ["sound"]},
            {"spaces": ["x"] * 21}, {"k": -1}, {"attributes": {"price": {}}}, {"spaces": [LONG]},
        )
    ),
    *(
        ("/events", {"user_id": "u", "listing_id": "home-0001"} | cells)
        for cells in (
            {"timestamp": LONG}, {"timestamp": "noon"}, {"timestamp": "2199-01-01"}, {"action": "stare"}, {"action": LONG},
            {"duration_s": -1}, {"listing_id": " "}, {"user_id": LONG}, {"event_id": LONG}, {"nonsense": 1},
        )
    ),
    ("/events", []),
    ("/events", {"listing_id": "home-0001"}),
]  # fmt: skip
Request = tuple[str, Any]  # a path, and a body or None


def bad_requests(listing: str, user: str) -> list[Request]:
    requests: list[Request] = [
        *BODIES,
        ("/similar/nowhere", None),
        (f"/recommend/{'x' * 201}", None),
        ("/nowhere", None),
    ]
    for name, values in BAD.items():
        for value in values:
            query = urlencode({name: value})
            if len(query) < 60_000:
                if name not in ("blend", "drop_seen"):
                    requests.append((f"/similar/{listing}?{query}", None))
                if name != "space":
                    requests.append((f"/recommend/{user}?{query}", None))
            body = {
                "history": [listing],
                name: [value]
                if name in ("same", "where", "pin", "block", "owner", "not", "boost", "dial")
                else value,
            }
            requests.append(("/recommend", body))
    return requests


def good_requests(run: Run) -> list[Request]:
    users, ids = run.log.users, run.listing_ids
    requests: list[Request] = []
    for n in range(16):
        requests += [
            (f"/recommend/{quote(users[n % 8])}?k=7", None),
            (f"/similar/{quote(ids[n])}?k=9&space=attributes", None),
            (
                f"/recommend/{quote(users[n % 5])}?k=5&diversity=0.3&where=rooms>=2&dial=x+1+model+%2B{ids[3]}",
                None,
            ),
            ("/recommend", {"history": ids[n : n + 3], "k": 6, "boost": ["fresh 0.5 14d"], "pin": [ids[40]]}),
        ]
    return requests


def large_post(listing: str) -> Request:
    """The largest post of events, whose times are written in several ways."""
    zones = ("", "Z", "+01:00", " UTC")
    return "/events", [
        {"user_id": "of a large post", "listing_id": listing, "timestamp": f"2024-01-{1 + n % 28:02d}T{n % 24:02d}:00:01{zones[n % 4]}"}
        for n in range(1000)
    ]  # fmt: skip


def send(address: str, request: Request) -> tuple[int, Any, str]:
    path, body = request
    data = None if body is None else json.dumps(body).encode()
    prepared = urllib.request.Request(
        address + path.replace(" ", "%20"), data, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(prepared, timeout=PATIENCE_S) as response:
            return response.status, json.loads(response.read()), path
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), f"{path[:200]} {str(body)[:200]}"


def check_refused(status: int, document: Any, what: str, folders: list[Path]) -> None:
    assert status in (404, 422) and set(document) == {"error", "code"}, (status, document, what)
    assert document["code"] in {*SENTENCES, *STATUSES}, (document, what)
    assert not any(str(folder) in document["error"] for folder in folders), (document, what)


def check_same(status: int, document: Any, expected: Any) -> None:
    assert status == 200, document
    rows, expected = document["results"], expected["results"]
    assert [row["listing_id"] for row in rows] == [row["listing_id"] for row in expected]
    np.testing.assert_allclose([row["score"] for row in rows], [row["score"] for row in expected], atol=2e-3)


def check_together(address: str, run: Run, rounds: int, folders: list[Path]) -> float:
    """Send 64 good requests beside all bad ones and large posts, polling health, and return the longest time of health in seconds."""
    good, bad = good_requests(run), bad_requests(run.listing_ids[1], run.log.users[1])
    post = large_post(run.listing_ids[0])
    alone = [send(address, request) for request in good]
    assert [status for status, *_ in alone] == [200] * 64
    waits: list[float] = []
    is_done = False

    def poll() -> None:
        while not is_done:
            begin = time.monotonic()
            assert send(address, ("/health", None))[0] == 200
            waits.append(time.monotonic() - begin)
            time.sleep(0.02)

    order = np.random.default_rng(0)
    with ThreadPoolExecutor(33) as pool:
        polling = pool.submit(poll)
        try:
            for _ in range(rounds):
                numbered = [*enumerate(good), *((-1, request) for request in bad), *[(-2, post)] * 8]
                order.shuffle(numbered)
                answers = list(pool.map(lambda item: (item[0], *send(address, item[1])), numbered))
                for number, status, document, what in answers:
                    if number == -2:
                        assert status == 200 and document["accepted"] == 1000, document
                    elif number < 0:
                        check_refused(status, document, what, folders)
                    else:
                        check_same(status, document, alone[number][1])
        finally:
            is_done = True
        polling.result()
    return max(waits)


def test_every_parameter_of_lists_has_bad_values():
    fields = {
        info.alias or name
        for model in (SimilarQuery, RecommendQuery, PostedHistory)
        for name, info in model.model_fields.items()
    }
    assert fields - {"history", "user_id"} == set(BAD) - {"nonsense"}


def test_good_requests_get_their_lists_beside_every_kind_of_bad_one(trained, tmp_path):
    with listening(app_of(trained.path, tmp_path / "events", tmp_path / "shown")) as port:
        longest = check_together(
            f"http://127.0.0.1:{port}", trained, 1, [trained.path, trained.market.path, tmp_path]
        )
    assert longest < PATIENCE_S


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_so_does_a_service_of_its_own(trained, tmp_path, workers):
    options = [
        "--events",
        str(tmp_path / "events"),
        "--impressions",
        str(tmp_path / "shown"),
        "--workers",
        str(workers),
    ]
    with running(trained.path, *options) as (_, address):
        longest = check_together(address, trained, 4, [trained.path, trained.market.path, tmp_path])
    print(f"longest /health with {workers} workers: {longest:.3f} s")
    assert longest < 2
