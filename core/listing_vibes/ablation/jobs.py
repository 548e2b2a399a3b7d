"""Parallel jobs: one process with one thread each, their progress, and an estimate of the remaining time."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from listing_vibes.ablation.worker import OUTCOME, JobState
from listing_vibes.progress import Counted, JobDone, Report

MODULE = "listing_vibes.ablation.worker"
#: Environment variables for the threads of torch, OpenMP, the BLAS libraries and the tokenizers.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS"),
    "1",
) | {"TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
OUTPUT = "output.txt"  # stderr of the process


@dataclass(eq=False)
class Job:
    """One variant and seed; `folder` holds its `job.json`."""

    name: str
    seed: int
    folder: Path
    state: JobState = field(default_factory=JobState)
    seconds: float = 0.0  # duration
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def finished(self) -> bool:
        """Return whether its ranks are saved."""
        return (self.folder / OUTCOME).is_file()


def run_jobs(jobs: Sequence[Job], processes: int, report: Report) -> None:
    """Run all unfinished jobs, `processes` at a time, in order; a failure is stored in `job.state.error`.

    `report` gets the overall progress after every line of a process, and a `JobDone` at the end of each job. On exit
    (including Ctrl-C) every process is ended; the same call later continues from their checkpoints.
    """
    waiting, running = [job for job in jobs if not job.finished], dict[Job, float]()
    states: queue.Queue[tuple[Job, JobState | None]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.pop(0)
                _start(job, states)
                running[job] = time.monotonic()
            job, state = states.get()
            if state is not None:
                job.state = state
                report(_progress(jobs, running, processes))
                continue
            assert job.process is not None
            job.process.wait()
            job.seconds = time.monotonic() - running.pop(job)
            if job.process.returncode and not job.state.error:
                job.state = JobState(error=_describe_crash(job))
            report(
                JobDone(job.name, job.seed, job.seconds, _progress(jobs, running, processes), job.state.error)
            )
    finally:
        for job in running:
            if job.process is not None and job.process.poll() is None:
                job.process.terminate()
                job.process.wait()


def _start(job: Job, states: "queue.Queue[tuple[Job, JobState | None]]") -> None:
    with (job.folder / OUTPUT).open("w", encoding="utf-8") as output:
        job.process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, str(job.folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, text=True, env=os.environ | ONE_THREAD,
        )  # fmt: skip
    threading.Thread(target=_read_states, args=(job, states), daemon=True).start()


def _read_states(job: Job, states: "queue.Queue[tuple[Job, JobState | None]]") -> None:
    assert job.process is not None and job.process.stdout is not None
    with job.process.stdout as lines:
        for line in lines:
            try:
                states.put((job, JobState.model_validate_json(line)))
            except ValidationError:  # a line printed by a library
                continue
    states.put((job, None))


def _describe_crash(job: Job) -> str:
    assert job.process is not None
    lines = (job.folder / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f" ({lines[-1].strip()})" if lines else ""
    return f"its process ended with code {job.process.returncode}{last}; see {job.folder / OUTPUT}."


def _progress(jobs: Sequence[Job], running: dict[Job, float], processes: int) -> Counted:
    """Return the progress of all jobs, with the remaining seconds estimated by the mean time of a job."""
    done = sum(1.0 if job.finished or job.seconds else job.state.share for job in jobs)
    now = time.monotonic()
    available = [job.seconds for job in jobs if job.seconds and not job.state.error]
    available += [
        now - since + job.state.left for job, since in running.items() if job.state.left is not None
    ]
    if not available:
        return Counted("ablation", done, len(jobs))
    slots = max(1, min(processes, len(jobs) - int(done)))
    return Counted("ablation", done, len(jobs), (len(jobs) - done) * sum(available) / len(available) / slots)
