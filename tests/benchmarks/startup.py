"""Start-up: `vibes --help`, `vibes similar` on a run of 10,000 listings, and the explorer's first page, each as a new process.

    python -m tests.benchmarks.startup [--listings 10000] [--run RUN] [--repeat 5]

With `--run` that run is asked, such as one of a million listings; else one is made, whose homes have ten
attributes and a set of amenities each. "page" is the explorer's first page, drawn from start to end with all that it imports.

Cold: a new process each time, with the files dropped from the system's cache where it lets us (POSIX_FADV_DONTNEED on
the run and on Python's own files); the first number is that of the very first start. CPU seconds (user and system)
stand beside the wall's clock, since others on the machine disturb them less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tests.benchmarks.growth import PAGE

from helpers.machine import machine
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market

AMENITIES = np.array(["wifi", "lift", "garden", "parking", "sauna", "fireplace", "balcony", "terrace"])


def make_run(folder: Path, listings: int) -> tuple[Path, str]:
    """A run of a market of so many listings with ten attributes and a set; returns it and a listing's id."""
    rng = np.random.default_rng(0)
    market = folder / "market"
    market.mkdir()
    table = pd.DataFrame({"listing_id": [f"home-{number}" for number in range(listings)]})
    for name in ("kind", "city", "heating", "style", "floor"):
        table[name] = rng.choice([f"{name} {value}" for value in "abcdefgh"], listings)
    for name in ("price", "rooms", "area", "beds", "age"):
        table[name] = rng.integers(1, 500, listings).astype(float)
    table.to_parquet(market / "listings.parquet")
    have = rng.random((listings, len(AMENITIES))) < 0.35
    table["amenities"] = [AMENITIES[row].tolist() for row in have]
    events = pd.DataFrame({"user_id": ["u"], "listing_id": ["home-0"], "position": [0]})
    events.to_parquet(market / "events.parquet")
    embed_market(Market.open(market), folder / "run", None)
    return folder / "run", "home-7"


def opened(run: Path) -> tuple[Path, str]:
    """A run that is there, and the id of one of its listings."""
    return run, Run.open(run).listing_ids[7]


def forget(folders: list[Path]) -> None:
    """Ask the system to drop the files of these folders from its cache."""
    if not hasattr(os, "posix_fadvise"):
        return
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(handle)


def timed(program: list[str]) -> tuple[float, float]:
    """Seconds on the wall and of CPU that a new process of Python takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, *program], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listings", type=int, default=10_000)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, listing = make_run(Path(folder), given.listings) if given.run is None else opened(given.run)
        vibes = ["-m", "listing_vibes"]
        commands = {
            "--help": [*vibes, "--help"],
            "similar": [*vibes, "similar", str(run), listing],
            "page": ["-c", PAGE, str(run)],
        }
        result: dict[str, object] = {"machine": machine(), "listings": len(Run.open(run).listing_ids)}
        for name, arguments in commands.items():
            forget([run, Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib"))])
            first = timed(arguments)
            later = [timed(arguments) for _ in range(given.repeat)]
            result[name] = {
                "cold_s": first[0],
                "cold_cpu_s": first[1],
                "best_s": min(wall for wall, _ in later),
                "best_cpu_s": min(cpu for _, cpu in later),
            }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
