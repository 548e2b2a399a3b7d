"""Training by one process, by one with more threads, and by several under `torchrun`: what a step costs, and how much sooner it is done.

    python -m tests.benchmarks.processes [--processes 2] [--listings 2000] [--preset tiny] [--steps 6 26] [--rounds 1] [--json]

One made market (`million`'s, eight events a user) and the whole command `train`, the ways in turn. Trainings of two lengths: a step is
what the longer one takes more. No validation lies between the steps. Seconds of the clock say how much sooner several are through
only where that many cores are free; processor seconds of all processes together say what sharing the work costs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from tests.benchmarks.million import config, events, homes
from tests.benchmarks.stages import COMMAND, stage

from helpers.machine import machine
from listing_vibes.market.writer import write_market

EVENTS = 8  # a user, on average
SETTINGS = """history = "listing-vectors"
preset = "{preset}"
[features]
text = false
[training]
max_steps = {steps}
warmup = 2
validate_every = 1000
validations = 1
"""


def launched(processes: int) -> tuple[str, ...]:
    """What python is given to run the command by so many processes."""
    if processes == 1:
        return COMMAND
    return ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), *COMMAND)


def trained(folder: Path, preset: str, steps: int, processes: int, threads: int) -> dict[str, float]:
    """Seconds, of the clock and of all processors together, of a training of so many steps."""
    name = f"{steps}-{processes}-{threads}-{len(list(folder.iterdir()))}"
    (folder / "settings.toml").write_text(SETTINGS.format(preset=preset, steps=steps))
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        arguments = [
            "train",
            str(folder / "market"),
            str(folder / name),
            "--config",
            str(folder / "settings.toml"),
        ]
        return stage(arguments, program=launched(processes))
    finally:
        os.environ.pop("OMP_NUM_THREADS") if before is None else os.environ.update(OMP_NUM_THREADS=before)


def step_of(
    folder: Path, preset: str, lengths: tuple[int, int], processes: int, threads: int
) -> dict[str, float]:
    """Milliseconds of a step."""
    short, long = (trained(folder, preset, steps, processes, threads) for steps in lengths)
    made = lengths[1] - lengths[0]
    return {key: 1000 * (long[key] - short[key]) / made for key in ("seconds", "processor seconds")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--listings", type=int, default=2000)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, nargs=2, default=(6, 26))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    many = given.processes
    ways = {
        "one process, one thread": (1, 1),
        f"one process, {many} threads": (1, many),
        f"{many} processes": (many, 1),
    }
    steps: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        folder, rng = Path(temporary), np.random.default_rng(0)
        write_market(folder / "market", config("Some homes"), homes(rng, given.listings), None, None)
        events(rng, folder / "market" / "events.parquet", given.listings, given.listings // 2, EVENTS)
        for _ in range(given.rounds):
            for name, (processes, threads) in ways.items():
                steps[name].append(step_of(folder, given.preset, tuple(given.steps), processes, threads))
    found = {
        name: {f"{key}, ms a step": float(np.median([one[key] for one in some])) for key in some[0]}
        for name, some in steps.items()
    }
    first, *others = found
    for name in others:
        found[name] |= {
            "x sooner": found[first]["seconds, ms a step"] / found[name]["seconds, ms a step"],
            "x the work": found[name]["processor seconds, ms a step"]
            / found[first]["processor seconds, ms a step"],
        }
    told = {"machine": machine(), "listings": given.listings, "preset": given.preset, "rounds": given.rounds}
    if given.json:
        print(json.dumps(told | {"load": [load, os.getloadavg()[0]], "steps": found}, indent=1))
        return
    print(told, "load", load)
    for name, values in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in values.items()))


if __name__ == "__main__":
    main()
