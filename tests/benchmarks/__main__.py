"""The lines of assets/docs/speed.md in one go, each as its own process, one after another: `python -m tests.benchmarks`.

    python -m tests.benchmarks [--only startup texts ...] [--quick] [--out FILE.json]

They run on the demo that comes with the project, or on what they make themselves. `--quick` asks each for less, to see that it runs. What each found, with the machine's load before and after it, is one JSON document: on stdout, or in `--out`,
which is written anew after every line. A line that fails is named, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from helpers.machine import machine
from listing_vibes.cores import cores
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.market.durable import atomic_path

MARKET = "MARKET"  # stands for the demo's
#: Of each line what it is asked, and what with `--quick`.
LINES: dict[str, tuple[list[str], list[str]]] = {
    "encoder": (["--preset", "tiny", "mini", "small", "base"], ["--preset", "tiny", "--users", "16", "--repeat", "1"]),
    "growth": ([], ["--sizes", "200"]),
    "training": ([], ["--preset", "tiny", "--steps", "1"]),
    "startup": (["--listings", "100000"], ["--listings", "1000", "--repeat", "1"]),
    "texts": ([], ["--words", "15", "--repeat", "1"]),
    "photos": ([MARKET], [MARKET, "--photos", "8", "--repeat", "1"]),
}  # fmt: skip


def measured(name: str, given: list[str]) -> dict:
    """What a line found, and under which load."""
    places = {MARKET: str(bundled_run().parent)}
    command = [
        sys.executable,
        "-m",
        f"tests.benchmarks.{name}",
        *(places.get(one, one) for one in given),
    ]
    load, begun = os.getloadavg()[0], time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    found = {"asked": given, "seconds": time.monotonic() - begun, "load": [load, os.getloadavg()[0]]}
    try:
        return (
            found | {"found": json.loads(done.stdout)}
            if not done.returncode
            else found | {"failed": done.returncode}
        )
    except ValueError:
        return found | {"failed": "it printed no JSON"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=list(LINES), choices=list(LINES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    table: dict = {"machine": machine(), "cores": cores(), "day": time.strftime("%Y-%m-%d"), "lines": {}}
    for name in given.only:
        print(f"{name} ...", file=sys.stderr)
        table["lines"][name] = measured(name, LINES[name][given.quick])
        if given.out is not None:
            with atomic_path(given.out) as temporary:
                temporary.write_text(json.dumps(table, indent=1))
    if given.out is None:
        print(json.dumps(table, indent=1))
    failed = [name for name, line in table["lines"].items() if "failed" in line]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
