"""Worker process that trains and evaluates one variant and seed of an ablation.

`python -m listing_vibes.ablation.worker FOLDER` runs the job in `FOLDER/job.json`. It ends with its parent process, whose end
closes stdin.
"""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.io import write_table

if TYPE_CHECKING:
    from listing_vibes.evaluation.result import Evaluation
    from listing_vibes.features.photos.vectors import PhotoVectors
    from listing_vibes.market.market import Market
    from listing_vibes.model.settings import Resolved

JOB, RANKS, OUTCOME, RUN = "job.json", "ranks.parquet", "outcome.json", "run"


class JobSettings(BaseModel):
    """The content of `job.json` for a variant and seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    from listing_vibes.ablation.controls import control_content
    from listing_vibes.evaluation.protocol import evaluate
    from listing_vibes.market.log import EventLog
    from listing_vibes.market.market import Market
    from listing_vibes.market.splits import Catalogue, make_split
    from listing_vibes.model.settings import Resolved, Settings
    from listing_vibes.run.run import Run
    from listing_vibes.run.scorer import default_ranking, model_scorer
    from listing_vibes.scoring.named import named_baseline

    job = read_json(folder / JOB, "remove the folder", JobSettings.model_validate)
    if job is None:
        raise VibesError(f"{folder / JOB} does not exist; start the ablation again.")
    market, settings = Market.open(job.market), Resolved.of(Settings.of(job.settings))
    photos = _load_photos(market, settings, job)
    if job.control:
        market, photos = control_content(job.control, market, photos)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    if job.baseline is None:
        _train(market, folder / RUN, settings, photos)
        run = Run.open(folder / RUN, market)
        settings = run.manifest.settings
    split = make_split(log, catalogue, settings.split.protocol, settings.split.t1, settings.split.t2)
    note = ""
    if job.baseline is None:
        scorer = default_ranking(run, model_scorer(run), split)
    else:
        scorer = named_baseline(job.baseline, market, log, split, catalogue, photos, settings.seed)
        note = f"It is {scorer.name}." if job.baseline == "best-id" else ""
    save_ranks(folder, evaluate([scorer], log, split, catalogue, seed=settings.seed), market, note)


def save_ranks(folder: Path, evaluation: "Evaluation", market: "Market", note: str) -> None:
    """Write the ranks of the evaluated scorer and, last, the outcome, which marks the job as finished."""
    name = evaluation.names[0]
    write_table(folder / RANKS, evaluation.queries_frame(market, name))
    coverage = evaluation.coverage[name]
    values = [coverage.value, *coverage.interval(evaluation.users)]
    write_json(folder / OUTCOME, {"note": note, "coverage": values})


def _load_photos(market: "Market", settings: "Resolved", job: JobSettings) -> "PhotoVectors | None":
    """Return the photo vectors of the variant's encoder, else of the ablation's encoder."""
    from listing_vibes.features.photos.encoders import market_photos
    from listing_vibes.features.photos.vectors import load_photo_vectors

    if not len(market.photos) or (job.baseline is None and not settings.features.photos):
        return None
    if settings.features.photo_encoder:
        return market_photos(market, settings.features.photo_encoder)
    return load_photo_vectors(market.path, market.photos, job.photo_encoder) if job.photo_encoder else None


def _train(market: "Market", run: Path, settings: "Resolved", photos: "PhotoVectors | None") -> None:
    """Train into `run`, from its checkpoint if there is one; a finished run is not changed."""
    from listing_vibes.training.checkpoints import can_resume
    from listing_vibes.training.train import train

    if not (run / "run.toml").is_file():
        train(market, run, settings, photos, can_resume(run))


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
