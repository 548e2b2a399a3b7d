"""One variant and seed of an ablation, in a process of its own: train (or go on), rank the test queries, keep the ranks.

`python -m core.ablation.worker FOLDER`, where `FOLDER/job.json` says what to do. Every line on stdout is a JSON
object. Once nobody reads them any more, the next line ends this process: whoever started it is gone.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from core.errors import VibesError
from core.market.io import atomic_path

RANKS, OUTCOME, RUN = "ranks.parquet", "outcome.json", "run"


def work(folder: Path) -> None:
    """Fill `folder` with `ranks.parquet` (one row a test query) and, last, `outcome.json`.

    Raises:
        VibesError: nothing to train on, a training that fails, or a folder that cannot be written.
    """
    from core.evaluation.protocol import evaluate
    from core.features.photos.of_market import market_photos
    from core.features.photos.vectors import JOIN, load_photo_vectors
    from core.market.log import EventLog
    from core.market.market import Market
    from core.market.splits import Catalogue, make_split
    from core.model.settings import Settings
    from core.run.run import Run
    from core.run.scorer import model_scorer
    from core.scoring.baselines.named import named_baseline
    from core.scoring.blends import RecencyPrior
    from core.scoring.ranking import Scorer

    began = time.monotonic()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    market = Market.open(job["market"])
    settings = Settings.model_validate(job["settings"])
    scorer: Scorer
    photos, note = None, ""
    if len(market.photos) and (job["kind"] == "baseline" or settings.features.photo_tokens):
        own = JOIN.join(settings.features.photo_encoders)  # a variant with encoders of its own
        if own:
            say({"stage": "photos"})
            photos = market_photos(market, own)
        elif job["photo_encoder"]:
            photos = load_photo_vectors(market.path, market.photos, job["photo_encoder"])
    if job["kind"] == "model":
        _train(market, folder / RUN, settings, photos)
        run = Run.open(folder / RUN, market)
        settings, scorer = run.manifest.settings, model_scorer(run)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue, settings.split.protocol, settings.split.t1, settings.split.t2)
    if job["kind"] == "baseline":
        say({"stage": "tuning"})
        scorer = named_baseline(job["baseline"], market, log, split, catalogue, photos, settings.seed)
        note = f"It is {scorer.name}." if job["baseline"] == "best-id" else ""
    elif job["serving"] == "recency":
        say({"stage": "tuning"})
        prior = RecencyPrior.tune([scorer], log, split, catalogue, settings.seed)
        scorer, note = prior, f"It is {prior.note}."
    say({"stage": "ranking"})
    found = evaluate([scorer], log, split, catalogue, seed=settings.seed)
    with atomic_path(folder / RANKS) as temporary:
        found.queries_frame(market, scorer.name).to_parquet(temporary, index=False)
    coverage = found.coverage[scorer.name]
    outcome = {
        "note": note,
        "coverage": [coverage.value, *coverage.interval(found.users)],
        "seconds": round(time.monotonic() - began, 1),
    }
    with atomic_path(folder / OUTCOME) as temporary:
        temporary.write_text(json.dumps(outcome), encoding="utf-8")


def _train(market: Any, run: Path, settings: Any, photos: Any) -> None:
    """Train into `run`, from its checkpoint where one is there; a finished run is kept as it is."""
    from core.training.train import train

    if (run / "run.toml").is_file():
        return
    resume = (run / ".training" / "run.toml").is_file()
    if not resume and run.exists():  # stopped before it knew what it is
        shutil.rmtree(run)
    train(market, run, settings, photos, resume, say)


def say(entry: dict[str, Any]) -> None:
    """Tell whoever started this process."""
    sys.stdout.write(json.dumps(entry) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]))
    except VibesError as error:
        say({"error": str(error)})
        sys.exit(2)
    except BrokenPipeError:
        sys.stdout = None  # nothing is left to flush to
        sys.exit(1)
