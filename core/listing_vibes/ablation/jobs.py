"""Jobs side by side: one process each with one thread, their progress, and an estimate of the time left."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from listing_vibes.ablation.worker import OUTCOME, Line
from listing_vibes.progress import Counted, JobDone, Report

MODULE = "listing_vibes.ablation.worker"
#: What decides on threads in torch, OpenMP, the BLAS libraries and the tokenizers.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)
OUTPUT = "output.txt"  # what a process wrote on stderr


@dataclass
class Job:
    """One variant and seed; `folder` holds its `job.json`."""

    name: str
    seed: int
    folder: Path
    error: str = ""
    began: float = 0.0
    took: float = 0.0  # seconds, of a job that ran to its end
    share: float = 0.0  # of its steps
    left: float | None = None  # seconds, as the training itself estimates
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def finished(self) -> bool:
        """True where its ranks are kept."""
        return (self.folder / OUTCOME).is_file()


def run_jobs(jobs: Sequence[Job], processes: int, report: Report) -> None:
    """Run all jobs that have not finished, `processes` at a time, in order; a failure is kept in `job.error`.

    After every line of a process `report` gets how much of all is done, and at the end of each job a `JobDone`. On the
    way out (Ctrl-C as well) every process is ended; the same call later goes on from their checkpoints.
    """
    todo = [job for job in jobs if not job.finished]
    waiting, running = list(todo), list[Job]()
    told: queue.Queue[tuple[Job, Line | None]] = queue.Queue()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.pop(0)
                _start(job, told)
                running.append(job)
            job, line = told.get()
            if line is None:
                assert job.process is not None
                job.process.wait()
                running.remove(job)
                job.took, job.share, job.left = time.monotonic() - job.began, 1.0, None
                if job.process.returncode and not job.error:
                    job.error = _crash(job)
                report(JobDone(job.name, job.seed, job.took, _standing(jobs, processes), job.error))
                continue
            job.error = line.error or job.error
            if line.planned:
                job.share, job.left = line.step / line.planned, line.left
            report(_standing(jobs, processes))
    finally:
        for job in running:
            if job.process is not None and job.process.poll() is None:
                job.process.terminate()
                job.process.wait()


def _start(job: Job, told: "queue.Queue[tuple[Job, Line | None]]") -> None:
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"TOKENIZERS_PARALLELISM": "false"}
    with (job.folder / OUTPUT).open("w", encoding="utf-8") as output:
        job.process = subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, str(job.folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, text=True, env=environment,
            close_fds=False,  # whoever holds a lock for it to inherit has said so
        )  # fmt: skip
    job.began = time.monotonic()
    threading.Thread(target=_listen, args=(job, told), daemon=True).start()


def _listen(job: Job, told: "queue.Queue[tuple[Job, Line | None]]") -> None:
    assert job.process is not None and job.process.stdout is not None
    with job.process.stdout as lines:
        for line in lines:
            if (read := Line.read(line)) is not None:
                told.put((job, read))
    told.put((job, None))


def _crash(job: Job) -> str:
    assert job.process is not None
    lines = (job.folder / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f" ({lines[-1].strip()})" if lines else ""
    return f"its process ended with code {job.process.returncode}{last}; see {job.folder / OUTPUT}."


def _standing(jobs: Sequence[Job], processes: int) -> Counted:
    """How much is done, and the seconds left: of what runs by its own estimate, of what waits by the mean so far."""
    done = sum(1.0 if job.finished or job.took else job.share for job in jobs)
    now = time.monotonic()
    running = [job for job in jobs if job.began and not job.took]
    waiting = [job for job in jobs if not job.began and not job.finished]
    known = [job.took for job in jobs if job.took and not job.error]
    known += [now - job.began + job.left for job in running if job.left is not None]
    if not known:
        return Counted("ablation", done, len(jobs))
    mean = sum(known) / len(known)
    left = [job.left if job.left is not None else max(0.0, mean - (now - job.began)) for job in running]
    slots = max(1, min(processes, len(running) + len(waiting)))
    eta = max(max(left, default=0.0), (sum(left) + mean * len(waiting)) / slots)
    return Counted("ablation", done, len(jobs), eta)
