"""Jobs of an ablation, each a variant and seed: parallel processes with one thread each.

`python -m listing_vibes.ablation.jobs FOLDER` trains and evaluates the job in `FOLDER/job.json`. It ends with its parent process,
whose end closes stdin.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listing_vibes.ablation.grid import CONTROLS
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.features.photos.photo_vectors import PhotoVectors, load_photo_vectors
from listing_vibes.market.documents import Forbidding, read_json, write_json
from listing_vibes.market.io import write_table
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import Resolved, Settings
from listing_vibes.progress import Counted, Notice, Report
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import default_ranking, model_scorer
from listing_vibes.scoring.named import named_baseline

MODULE = "listing_vibes.ablation.jobs"
#: Environment variables for the threads of torch, OpenMP, the BLAS libraries and the tokenizers.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS"),
    "1",
) | {"TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
OUTPUT = "output.txt"  # stdout and stderr of the process
POLL_S = 0.1


@dataclass(eq=False)
class AblationJob:
    """One variant and seed; `folder` holds its `job.json`."""

    name: str
    seed: int
    folder: Path
    error: str = ""

    @property
    def is_finished(self) -> bool:
        """Return whether its ranks are saved."""
        return (self.folder / OUTCOME).is_file()


def run_jobs(jobs: Sequence[AblationJob], processes: int, report: Report) -> None:
    """Run all unfinished jobs, `processes` at a time, in order; a failure is stored in `job.error`.

    On exit (including Ctrl-C) every process is ended; the same call later continues from their checkpoints.
    """
    waiting = [job for job in jobs if not job.is_finished]
    running: dict[AblationJob, tuple[subprocess.Popen[bytes], float]] = {}
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


def _start(job: AblationJob) -> subprocess.Popen[bytes]:
    with (job.folder / OUTPUT).open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, str(job.folder)],
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=os.environ | ONE_THREAD,
        )  # fmt: skip


def _describe_failure(job: AblationJob, code: int) -> str:
    lines = (job.folder / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"its process ended with code {code}; see {job.folder / OUTPUT}."


JOB, RANKS, OUTCOME, RUN = "job.json", "ranks.parquet", "outcome.json", "run"


class JobSettings(Forbidding):
    """The content of `job.json` for a variant and seed."""

    market: str
    fingerprint: str
    baseline: str | None
    settings: dict[str, Any]
    control: str | None
    photo_encoder: str


def measure_variant(folder: Path) -> None:
    """Fill `folder` with `ranks.parquet` (one row a test query) and, last, `outcome.json`.

    Raises:
        VibesError: there is nothing to train on, the training fails, or the folder cannot be written.
    """
    job = read_json(folder / JOB, "remove the folder", JobSettings.model_validate)
    if job is None:
        raise VibesError(f"{folder / JOB} does not exist; start the ablation again.")
    market, settings = Market.open(job.market), Resolved.of(Settings.of(job.settings))
    photos = _load_photos(market, settings, job)
    if job.control:
        market, photos = CONTROLS[job.control](market, photos)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    if job.baseline is None:
        from listing_vibes.training.checkpoints import has_checkpoint
        from listing_vibes.training.train import train

        if not (folder / RUN / "run.toml").is_file():  # a finished run is not changed
            train(market, folder / RUN, settings, photos, has_checkpoint(folder / RUN))
        run = Run.open(folder / RUN, market)
        settings = run.manifest.settings
    split = make_split(log, catalogue, settings.split.protocol, settings.split.t1, settings.split.t2)
    note = ""
    if job.baseline is None:
        scorer = default_ranking(run, model_scorer(run), split)
    else:
        scorer = named_baseline(job.baseline, market, log, split, catalogue, photos, settings.seed)
        note = f"It is {scorer.name}." if job.baseline == "best-id" else ""
    save_ranks(folder, rank_queries([scorer], log, split, catalogue, seed=settings.seed), market, note)


def save_ranks(folder: Path, evaluation: Evaluation, market: Market, note: str) -> None:
    """Write the ranks of the evaluated scorer and, last, the outcome, which marks the job as finished."""
    name = evaluation.names[0]
    write_table(folder / RANKS, evaluation.queries_frame(market, name))
    coverage = evaluation.coverage[name]
    values = [coverage.value, *coverage.interval(evaluation.users)]
    write_json(folder / OUTCOME, {"note": note, "coverage": values})


def _load_photos(market: Market, settings: Resolved, job: JobSettings) -> PhotoVectors | None:
    """Return the photo vectors of the variant's encoder, else of the ablation's encoder."""
    if not len(market.photos) or (job.baseline is None and not settings.features.photos):
        return None
    if settings.features.photo_encoder:
        return market_photos(market, settings.features.photo_encoder)
    return load_photo_vectors(market.path, market.photos, job.photo_encoder) if job.photo_encoder else None


def _exit_with_parent() -> None:
    """End this process when stdin is closed; a training writes its checkpoints atomically."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        measure_variant(Path(sys.argv[1]))
    except VibesError as error:
        sys.exit(str(error))
