"""`vibes serve` under load: `python -m tests.benchmarks.serve [RUN] [--seconds 60] [--clients 200] [--json]`.

Two servers over the same run, each a process of its own: one gathers requests, the other (`--batch 1`) answers them one
at a time. `wrk` (Debian: `apt-get install wrk`), a third process, posts real histories of the run's market, first to
both in turns (so that a busy machine slows both alike), then to the first one alone for the whole time.
"""

import argparse
import json
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from core.market.columns import Columns as C
from core.run.run import Run

HERE = Path(__file__).parent
DEMO = HERE.parents[1] / "assets" / "demo" / "run"
HISTORIES = 500


def write_bodies(run: Run, path: Path, least: int) -> float:
    """One request a line, each the history of a user drawn by chance; returns the mean number of events."""
    log, market = run.log, run.market
    users = np.flatnonzero(np.diff(log.start) >= least)
    rows = [slice(log.start[u], log.start[u + 1]) for u in np.random.default_rng(0).choice(users, HISTORIES)]
    ids = market.listings[C.LISTING].to_numpy()
    with path.open("w", encoding="utf-8") as stream:
        for row in rows:
            events = [
                {"listing_id": str(ids[listing])}
                | ({"action": log.actions[action]} if action >= 0 else {})
                | ({"duration_s": round(float(seconds), 1)} if np.isfinite(seconds) else {})
                for listing, action, seconds in zip(
                    log.listing[row], log.action[row], log.duration[row], strict=True
                )
            ]
            stream.write(json.dumps({"history": events[-1000:], "k": 30}) + "\n")
    return float(np.mean([row.stop - row.start for row in rows]))


@contextmanager
def serving(run: Path, batch: int) -> Iterator[str]:
    """A server of its own; yields its address and ends it in order."""
    command = [sys.executable, "-m", "core", "serve", str(run), "--port", "0", "--batch", str(batch)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise SystemExit(line + process.stderr.read())
        yield found[0]
    finally:
        process.terminate()
        try:
            ended = process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            ended = process.wait()
        if ended:
            print(f"the server with --batch {batch} ended with {ended}", file=sys.stderr)


def load(address: str, bodies: Path, clients: int, seconds: int) -> dict[str, float]:
    """What `wrk` saw; returns when the server has also answered those whom `wrk` left at its end."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(HERE / "serve.lua"), address, "--", str(bodies)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    while "vibes_waiting_requests 0.0" not in urlopen(f"{address}/metrics").read().decode():
        time.sleep(0.2)
    return found | {"requests_per_s": round(found["requests"] / found["seconds"], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5, help="turns on each server")
    parser.add_argument("--turn", type=int, default=6, help="seconds of a turn")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--least", type=int, default=1, help="events of a history, at least")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with this process
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk; install it with `apt-get install wrk`.")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(told.run, told.batch) as gathered,
        serving(told.run, 1) as single,
    ):
        bodies = Path(folder) / "bodies"
        events = write_bodies(Run.open(told.run), bodies, told.least)
        for address in (gathered, single):
            load(address, bodies, told.clients, 2)  # warm
        turns = [
            [load(address, bodies, told.clients, told.turn) for address in (gathered, single)]
            for _ in range(told.rounds)
        ]
        whole = load(gathered, bodies, told.clients, told.seconds)
    rates = [sum(turn[which]["requests"] for turn in turns) / told.turn / told.rounds for which in (0, 1)]
    document = {
        "machine": f"{platform.machine()}, {platform.processor() or platform.system()}",
        "run": str(told.run),
        "clients": told.clients,
        "events_a_history": round(events, 1),
        "under_load": whole,
        "batched_requests_per_s": round(rates[0], 1),
        "single_requests_per_s": round(rates[1], 1),
        "times": round(rates[0] / max(rates[1], 1e-9), 2),
        "turns": turns,
    }
    if told.json:
        print(json.dumps(document))
        return
    print(f"{told.clients} clients, {events:.1f} events a history, {told.run}")
    print(
        f"{told.seconds} s under load: {whole['requests_per_s']:.0f} requests/s, {whole['errors']:.0f} errors, "
        f"p50 {whole['p50_ms']:.0f} ms, p99 {whole['p99_ms']:.0f} ms"
    )
    print(
        f"in turns: {document['batched_requests_per_s']:.0f} requests/s gathered, "
        f"{document['single_requests_per_s']:.0f} one at a time: x {document['times']}"
    )


if __name__ == "__main__":
    main()
