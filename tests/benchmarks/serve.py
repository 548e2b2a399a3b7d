"""`vibes serve` under load: `python -m tests.benchmarks.serve [RUN] [--seconds 60] [--clients 200] [--workers N]`.

Two services over the same run: one of one process, one of N workers. The result has the memory of each process after the load:
what is its own alone (USS), and its share of all (PSS). `wrk` (Debian: `apt-get install wrk`) posts real histories of the run's
market, first to both in turns, so that a busy machine slows both alike, then to the first one alone for the whole time.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import psutil

sys.path[:0] = [str(Path(__file__).parents[1])]  # for `helpers`, as the suite has it

from helpers.machine import machine  # noqa: E402
from helpers.serving import running, stop  # noqa: E402
from listing_vibes.market.columns import Columns as C  # noqa: E402
from listing_vibes.run.run import Run  # noqa: E402

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


def memory(process: int) -> list[dict[str, float]]:
    """MiB of the process that answers, or of each of its workers."""
    several = [
        one.pid for one in psutil.Process(process).children() if "spawn_main" in " ".join(one.cmdline())
    ]
    found = []
    for pid in several or [process]:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in told}
        own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
        sizes = {"uss": own, "pss": kilobytes["Pss"], "rss": kilobytes["Rss"]}
        found.append({name: round(size / 1024, 1) for name, size in sizes.items()})
    return found


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
    parser.add_argument("--workers", type=int, default=2, help="of the other service")
    parser.add_argument("--least", type=int, default=1, help="events of a history, at least")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with this process
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk; install it with `apt-get install wrk`.")
    with (
        tempfile.TemporaryDirectory() as folder,
        running(told.run) as (one, gathered),
        running(told.run, "--workers", str(told.workers)) as (several, other),
    ):
        bodies = Path(folder) / "bodies"
        events = write_bodies(Run.open(told.run), bodies, told.least)
        for address in (gathered, other):
            load(address, bodies, told.clients, 2)  # warm
        turns = [
            [load(address, bodies, told.clients, told.turn) for address in (gathered, other)]
            for _ in range(told.rounds)
        ]
        whole = load(gathered, bodies, told.clients, told.seconds)
        held = {"gathered": memory(one.pid), "other": memory(several.pid)}
        for process in (one, several):
            stop(process)
    rates = [sum(turn[which]["requests"] for turn in turns) / told.turn / told.rounds for which in (0, 1)]
    document = {
        "machine": machine(),
        "run": str(told.run),
        "clients": told.clients,
        "events_a_history": round(events, 1),
        "under_load": whole,
        "batched_requests_per_s": round(rates[0], 1),
        "other": f"{told.workers} workers",
        "other_requests_per_s": round(rates[1], 1),
        "memory_mib": held,
        "times": round(rates[0] / max(rates[1], 1e-9), 2),
        "turns": turns,
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
