"""`--all` on one process, on Ray, with a Ray worker killed, and interrupted: the same rows, and what each takes.

    python -m tests.benchmarks.batch RUN [RUN ...] [--ways interrupted,ray,killed] [--json]

Every way is the command itself in a process of its own, one after the other; the machine is named in the output.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.dataset as ds

from helpers.machine import machine


def command(run: Path, kind: str, out: Path, k: int, chunk: int, *options: str) -> list[str]:
    """The command that fills `out`."""
    return [
        sys.executable, "-m", "listing_vibes", "batch", str(run), str(out), "--kind", kind, "-k", str(k), "--chunk", str(chunk),
        "--json", *options,
    ]  # fmt: skip


def whole(arguments: list[str]) -> dict:
    """Run to the end; what the command told."""
    return _told(subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))


def interrupted(arguments: list[str], out: Path) -> dict:
    """Kill -9 when half of the files are there, then run the same command again."""
    working = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    half = _wait_for_half(working, out)
    for process in [*psutil.Process(working.pid).children(recursive=True), working]:
        process.kill()
    working.communicate()
    return whole(arguments) | {"files when killed": half}


def worker_killed(arguments: list[str], out: Path) -> dict:
    """Kill -9 a Ray worker when half of the files are there."""
    started = time.monotonic()
    working = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    half = _wait_for_half(working, out)
    victims = ray_workers(working.pid)
    for victim in victims[:1]:
        victim.kill()
    told = _told(working) | {"files when killed": half, "workers killed": len(victims[:1])}
    return told | {"seconds": round(time.monotonic() - started, 2)}


def _told(working: subprocess.Popen) -> dict:
    """What a command printed as JSON at its end."""
    told, problem = working.communicate()
    if working.returncode:
        raise SystemExit(problem)
    return json.loads(told.splitlines()[-1])


def ray_workers(pid: int) -> list[psutil.Process]:
    """The processes below `pid` that hold a model for Ray Data."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if process.name().startswith("ray::") and "Worker" in "".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def _wait_for_half(working: subprocess.Popen, out: Path) -> int:
    while working.poll() is None:
        if (out / "_job.json").is_file():
            files = len(list(out.glob("part-*.parquet")))
            if files >= max(1, json.loads((out / "_job.json").read_text())["chunks"] // 2):
                return files
        time.sleep(0.005)
    raise SystemExit(
        f"The command ended before half of its files were seen; give a smaller --chunk. {working.communicate()[1]}"
    )


def shape(rows: pa.Table, out: Path) -> dict:
    """Lists, their places, candidates told twice, ranks left out; files with the least and largest size."""
    frame = rows.to_pandas()
    owner, sizes = frame.columns[0], [path.stat().st_size for path in out.glob("part-*.parquet")]
    ranks = frame.groupby(owner, observed=True)["rank"].agg(["size", "max", "nunique"])
    return {
        "lists": len(ranks),
        "places": {int(size): int(count) for size, count in ranks["size"].value_counts().items()},
        "duplicates": int(frame.duplicated([owner, "candidate_id"]).sum()),
        "holes": int((ranks["max"] != ranks["size"]).sum() + (ranks["nunique"] != ranks["size"]).sum()),
        "files of KiB": [len(sizes), round(min(sizes) / 1024, 1), round(max(sizes) / 1024, 1)],
    }


def main() -> None:
    """Every way on every run, their rows compared."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--chunk", type=int, default=64)
    parser.add_argument("--kinds", default="listings,users")
    parser.add_argument("--ways", default="interrupted,ray,killed", help="beside one process")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    told: dict = {"machine": machine(), "cores": os.cpu_count(), "runs": {}}
    ray = ("--engine", "ray", "--workers", "2")
    ways = {
        "one process": (whole, ()),
        "interrupted": (interrupted, ("--workers", "1")),
        "ray": (lambda arguments, out: whole(arguments), ray),
        "killed": (worker_killed, ray),
    }
    for run, kind in itertools.product(given.runs, given.kinds.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            found = told["runs"][f"{kind} {run}"] = {}
            first = None
            for way in ["one process", *filter(None, given.ways.split(","))]:
                out, (work, options) = Path(folder) / way.replace(" ", "-"), ways[way]
                arguments = command(run, kind, out, given.k, given.chunk, *options)
                one = found[way] = work(arguments) if work is whole else work(arguments, out)
                rows = ds.dataset(out).to_table()
                first = rows if first is None else first
                one |= {"rows": rows.num_rows, "identical": rows.equals(first)} | shape(rows, out)
                if not given.json:
                    print(f"{kind} {run}, {way}: {one}", flush=True)
    if given.json:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
