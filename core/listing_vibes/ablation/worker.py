"""One variant and seed of an ablation, in a process of its own: train (or go on), rank the test queries, keep the ranks.

`python -m listing_vibes.ablation.worker FOLDER`, where `FOLDER/job.json` says what to do. On stdout it says with a `Line` each
where it stands. Once nobody reads them any more, the next line ends this process: whoever started it is gone.
"""

import json
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import write_json
from listing_vibes.market.io import write_table
from listing_vibes.progress import Stage, Trained, Update

if TYPE_CHECKING:
    from listing_vibes.evaluation.result import Evaluation
    from listing_vibes.market.market import Market

RANKS, OUTCOME, RUN = "ranks.parquet", "outcome.json", "run"


@dataclass(frozen=True)
class Line:
    """What the process says of itself: the step of its training, or why it failed."""

    step: int = 0
    planned: int = 0  # steps; 0 where it does not train just now
    left: float | None = None  # seconds
    error: str = ""

    @classmethod
    def read(cls, line: str) -> "Line | None":
        """The inverse of `say`; None for what a library prints."""
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError):
            return None


def work(folder: Path) -> None:
    """Fill `folder` with `ranks.parquet` (one row a test query) and, last, `outcome.json`.

    Raises:
        VibesError: nothing to train on, a training that fails, or a folder that cannot be written.
    """
    from listing_vibes.ablation.controls import control_content
    from listing_vibes.evaluation.protocol import evaluate
    from listing_vibes.features.photos.of_market import market_photos
    from listing_vibes.features.photos.vectors import JOIN, load_photo_vectors
    from listing_vibes.market.log import EventLog
    from listing_vibes.market.market import Market
    from listing_vibes.market.splits import Catalogue, make_split
    from listing_vibes.model.settings import Resolved, Settings
    from listing_vibes.run.run import Run
    from listing_vibes.run.scorer import as_served, model_scorer
    from listing_vibes.scoring.blends import RecencyPrior
    from listing_vibes.scoring.named import named_baseline
    from listing_vibes.scoring.ranking import Scorer

    began = time.monotonic()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    market = Market.open(job["market"])
    settings = Resolved.of(Settings.model_validate(job["settings"]))
    scorer: Scorer
    photos, note = None, ""
    if len(market.photos) and (job["kind"] == "baseline" or settings.features.photo_tokens):
        own = JOIN.join(settings.features.photo_encoders)  # a variant with encoders of its own
        if own:
            photos = market_photos(market, own, report=_tell)
        elif job["photo_encoder"]:
            photos = load_photo_vectors(market.path, market.photos, job["photo_encoder"])
    if job["control"]:
        market, photos = control_content(job["control"], market, photos)
    if job["kind"] == "model":
        _train(market, folder / RUN, settings, photos)
        run = Run.open(folder / RUN, market)
        settings, scorer = run.manifest.settings, model_scorer(run)
        if job["serving"] != "recency":
            scorer = as_served(run, scorer)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue, settings.split.protocol, settings.split.t1, settings.split.t2)
    if job["kind"] == "baseline":
        _tell(Stage("tuning"))
        scorer = named_baseline(job["baseline"], market, log, split, catalogue, photos, settings.seed)
        note = f"It is {scorer.name}." if job["baseline"] == "best-id" else ""
    elif job["serving"] == "recency":
        _tell(Stage("tuning"))
        prior = RecencyPrior.tune([scorer], log, split, catalogue, settings.seed)
        scorer, note = prior, f"It is {prior.note}."
    found = evaluate([scorer], log, split, catalogue, seed=settings.seed, report=_tell)
    keep(folder, found, market, note, round(time.monotonic() - began, 1))


def keep(
    folder: Path, found: "Evaluation", market: "Market", note: str, seconds: float | None = None
) -> None:
    """Write the ranks of the one scorer that was measured and, last, the outcome."""
    name = found.names[0]
    write_table(folder / RANKS, found.queries_frame(market, name))
    coverage = found.coverage[name]
    told = {"note": note, "coverage": [coverage.value, *coverage.interval(found.users)]}
    write_json(folder / OUTCOME, told | ({} if seconds is None else {"seconds": seconds}))


def _train(market: Any, run: Path, settings: Any, photos: Any) -> None:
    """Train into `run`, from its checkpoint where one is there; a finished run is kept as it is."""
    from listing_vibes.training.train import train

    if (run / "run.toml").is_file():
        return
    resume = (run / ".training" / "run.toml").is_file()
    if not resume and run.exists():  # stopped before it knew what it is
        shutil.rmtree(run)
    train(market, run, settings, photos, resume, _tell)


def say(line: Line) -> None:
    """Tell whoever started this process."""
    sys.stdout.write(json.dumps(asdict(line)) + "\n")
    sys.stdout.flush()


def _tell(update: Update) -> None:
    if isinstance(update, Trained) and update.what == "training":
        say(Line(update.step, update.planned, update.left))
    else:
        say(Line())  # it is alive, and so is whoever reads


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]))
    except VibesError as error:
        say(Line(error=str(error)))
        sys.exit(2)
    except BrokenPipeError:
        sys.stdout = None  # nothing is left to flush to
        sys.exit(1)
