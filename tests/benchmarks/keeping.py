"""What it costs to take events and keep what is shown: `python -m tests.benchmarks.keeping [RUN] [--rounds 12] [--json]`.

Two services over the same run, each a process of its own; one has `--events` and `--impressions`. Clients ask both in turns
(so that a busy machine slows both alike) for the lists of users drawn by chance, one request after the other each; then
they post events, each of which is committed before it is answered.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tests.helpers.serving import running

from listing_vibes.run.run import Run

DEMO = Path(__file__).parents[2] / "assets" / "demo" / "run"


def asked(address: str, requests: list[tuple[str, str, str | None]], clients: int) -> list[float]:
    """Milliseconds of each request, by so many clients that share them."""

    def client(number: int) -> list[float]:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        spent = []
        for method, path, body in requests[number::clients]:
            begin = time.perf_counter()
            connection.request(method, path, body, {"content-type": "application/json"} if body else {})
            answer = connection.getresponse()
            content = answer.read()
            spent.append(1000 * (time.perf_counter() - begin))
            if answer.status != 200:
                raise SystemExit(content.decode())
        return spent

    with ThreadPoolExecutor(clients) as pool:
        return [one for some in pool.map(client, range(clients)) for one in some]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--requests", type=int, default=400, help="of a turn")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    run = Run.open(told.run)
    rng = np.random.default_rng(0)
    users = [run.log.users[number] for number in rng.integers(0, len(run.log.users), told.requests)]
    lists = [("GET", f"/recommend/{user}?k=30&live_only=false", None) for user in users]
    events = [
        ("POST", "/events", json.dumps({"user_id": f"new-{n}", "listing_id": run.listing_ids[n % 50]}))
        for n in range(told.requests)
    ]
    with tempfile.TemporaryDirectory() as folder:
        keep = ["--events", f"{folder}/live", "--impressions", f"{folder}/shown"]
        with running(told.run) as (_, plain), running(told.run, *keep) as (_, keeping):
            for address in (plain, keeping):
                asked(address, lists, told.clients)  # warm
            turns = [
                [asked(address, lists, told.clients) for address in (plain, keeping)]
                for _ in range(told.rounds)
            ]
            posted = asked(keeping, events, told.clients)
    times = {}
    for n, name in enumerate(("plain", "keeping")):
        whole = np.concatenate([turn[n] for turn in turns])
        times[name] = {f"p{p}_ms": round(float(np.percentile(whole, p)), 2) for p in (50, 95, 99)}
    more = {
        f"p{p}_ms": round(statistics.median(np.percentile(k, p) - np.percentile(a, p) for a, k in turns), 2)
        for p in (50, 95, 99)
    }
    ratios = {
        f"p{p}": round(statistics.median(np.percentile(k, p) / np.percentile(a, p) for a, k in turns), 3)
        for p in (50, 95, 99)
    }
    found = {
        "requests": told.rounds * told.requests, "clients": told.clients, **times, "median_ratio_of_turns": ratios,
        "median_difference_of_turns": more,
        "events": {f"p{p}_ms": round(float(np.percentile(posted, p)), 2) for p in (50, 95, 99)},
    }  # fmt: skip
    print(json.dumps(found) if told.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
