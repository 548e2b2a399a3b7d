"""Parallel jobs of an ablation: one process with one thread each."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from listing_vibes.ablation.worker import OUTCOME
from listing_vibes.progress import Counted, Notice, Report

MODULE = "listing_vibes.ablation.worker"
#: Environment variables for the threads of torch, OpenMP, the BLAS libraries and the tokenizers.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS"),
    "1",
) | {"TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
OUTPUT = "output.txt"  # stdout and stderr of the process
POLL_S = 0.1


@dataclass(eq=False)
class Job:
    """One variant and seed; `folder` holds its `job.json`."""

    name: str
    seed: int
    folder: Path
    error: str = ""

    @property
    def is_finished(self) -> bool:
        """Return whether its ranks are saved."""
        return (self.folder / OUTCOME).is_file()


def run_jobs(jobs: Sequence[Job], processes: int, report: Report) -> None:
    """Run all unfinished jobs, `processes` at a time, in order; a failure is stored in `job.error`.

    On exit (including Ctrl-C) every process is ended; the same call later continues from their checkpoints.
    """
    waiting = [job for job in jobs if not job.is_finished]
    running: dict[Job, tuple[subprocess.Popen[bytes], float]] = {}
    done = len(jobs) - len(waiting)
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.pop(0)
                running[job] = _start(job), time.monotonic()
            time.sleep(POLL_S)
            for job, (process, since) in [*running.items()]:
                if process.poll() is None:
                    continue
                del running[job]
                done += 1
                job.error = _describe_failure(job, process.returncode) if process.returncode else ""
                how = f"failed: {job.error}" if job.error else f"done in {time.monotonic() - since:.0f} s"
                report(Notice(f"{job.name}, seed {job.seed}: {how}"))
                report(Counted("ablation", done, len(jobs)))
    finally:
        for process, _ in running.values():
            process.terminate()
            process.wait()


def _start(job: Job) -> "subprocess.Popen[bytes]":
    with (job.folder / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, str(job.folder)],
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=os.environ | ONE_THREAD,
        )  # fmt: skip


def _describe_failure(job: Job, code: int) -> str:
    lines = (job.folder / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"its process ended with code {code}; see {job.folder / OUTPUT}."
