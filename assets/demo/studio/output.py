"""Which pictures are to be drawn, by whom, and how they reach the disk: resumable and never half-written."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from listing_vibes.demo.homes import Home
from listing_vibes.errors import VibesError


@dataclass(frozen=True)
class Job:
    """One picture of one home."""

    home: Home
    room: str
    path: Path


def parse_shard(text: str) -> tuple[int, int]:
    """`i/n` with 0 <= i < n. Raises VibesError for anything else."""
    part, _, whole = text.partition("/")
    if not (part.isdecimal() and whole.isdecimal()) or not 0 <= int(part) < int(whole):
        raise VibesError(f"--shard takes i/n with i from 0 to n - 1, such as 0/2; it was {text!r}.")
    return int(part), int(whole)


def all_jobs(homes: list[Home], out: Path, only: int | None = None) -> list[Job]:
    """Every picture of the homes, or of the one home numbered `only`, in the file's order."""
    chosen = [home for home in homes if only is None or home.number == only]
    if not chosen:
        raise VibesError(f"No home numbered {only} is in the file.")
    return [
        Job(home, room, out / f"{home.number:04d}_{room}.webp") for home in chosen for room in home.photos
    ]


def open_jobs(jobs: list[Job], shard: tuple[int, int] = (0, 1)) -> list[Job]:
    """This shard's share of the jobs, without the pictures that are finished. Shares do not depend on what is finished."""
    index, count = shard
    return [job for job in jobs[index::count] if not job.path.exists()]


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Writes to a temporary name beside `path`, then renames: a picture that is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
