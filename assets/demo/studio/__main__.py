"""`PYTHONPATH=core:assets/demo python -m studio HOMES.jsonl OUT [--only N] [--shard i/n]`: draws what is missing, one process a core."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from listing_vibes.errors import VibesError
from studio.homefile import read_homes
from studio.output import Job, all_jobs, open_jobs, parse_shard, write_whole

T = TypeVar("T")


def command_line() -> argparse.ArgumentParser:
    """The program's arguments."""
    parser = argparse.ArgumentParser(prog="python -m studio", description=__doc__)
    parser.add_argument(
        "homes", type=Path, help="homes as JSON lines, from `python -m listing_vibes.demo.homes`"
    )
    parser.add_argument("out", type=Path, help="folder of the pictures; finished ones are kept")
    parser.add_argument("--only", type=int, help="number of the one home to draw")
    parser.add_argument("--shard", default="0/1", help="i/n: every n-th picture, from the i-th on")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--samples", type=int, default=5, help="rays a pixel at most")
    parser.add_argument("--quality", type=int, default=60, help="of the WebP")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the program; 0 when every picture of the shard is there, 2 for bad input."""
    options = command_line().parse_args(arguments)
    try:
        jobs = all_jobs(read_homes(options.homes), options.out, options.only)
        shard = parse_shard(options.shard)
    except VibesError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    left = open_jobs(jobs, shard)
    sys.stderr.write(f"{len(jobs)} pictures in all; {len(left)} left for shard {options.shard}\n")
    started = time.monotonic()
    for done, job in enumerate(left, 1):
        if not job.path.exists():
            _draw(job, options)
        each = (time.monotonic() - started) / done
        rest = each * (len(left) - done)
        sys.stderr.write(
            f"{done}/{len(left)} {job.path.name}: {each:.1f} s a picture, {rest / 60:.0f} min to go\n"
        )
    return 0


def _draw(job: Job, options: argparse.Namespace) -> None:
    from studio.scene import render  # bpy takes a second to load

    image = _quietly(lambda: render(job.home, job.room, (options.width, options.height), options.samples))
    write_whole(job.path, lambda path: image.save(path, "WEBP", quality=options.quality, method=6))


def _quietly(work: Callable[[], T]) -> T:
    """Blender writes about every picture to the standard output; that is kept off the screen."""
    sys.stdout.flush()
    kept = os.dup(1)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 1)
        return work()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(silent)


if __name__ == "__main__":
    sys.exit(main())
