"""Smaller runs that ship beside the demo's, so that the page Compare has something to compare.

`python -m listing_vibes.demo.beside [NAME ...]` makes them over the same market: "without-photos" has the demo's preset and seed,
today's defaults, and is told no photos; "homes" is by the model of that name, which comes with the project and was trained on
the attributes of real towns, as `vibes embed MARKET RUN --model homes` gives before anything is trained. Of a run there is what Compare needs: the
model, its vectors of the listings, what it reads of them, and how it ranked the test queries.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from listing_vibes.demo.bundle import SHIPPED, keep_measured, round_weights
from listing_vibes.demo.shipped import BESIDE, ROOT, RUN
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Report, Stage
from listing_vibes.progress.bar import ProgressBar
from listing_vibes.run.contents import seal
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market, save_spaces
from listing_vibes.training.train import train

HOMES = "homes"


def make_beside(name: str, report: Report) -> Run:
    """Make one of `listing_vibes.demo.shipped.BESIDE` in the demo's folder, with the least that Compare needs; and measure it."""
    if name == HOMES:
        return _made(name, report, HOMES)
    with TemporaryDirectory(prefix="vibes-") as folder:
        trained = Path(folder) / name
        seed = Manifest.load(ROOT / RUN).settings.seed
        settings = Settings.model_validate({**SHIPPED, "seed": seed, "features": {"photos": 0}})
        train(Market.open(ROOT), trained, settings, None, report=report)
        round_weights(trained)
        return _made(name, report, trained)


def _made(name: str, report: Report, model: str | Path) -> Run:
    opened, target = Market.open(ROOT), ROOT / name
    shutil.rmtree(target, ignore_errors=True)
    manifest = embed_market(opened, target, None, Path(model), report)
    # The other spaces are as in the run that ships.
    save_spaces(target, opened, {"model": Run.open(target, opened).vectors("model")})
    carried = manifest.carried and manifest.carried.model_copy(update={"run": str(model)})
    seal(target, manifest.model_copy(update={"market": "..", "carried": carried}))
    report(Stage("measuring"))
    run = Run.open(target, opened)
    keep_measured(run, evaluate_run(run, baselines="none"))
    return run


if __name__ == "__main__":
    for asked in sys.argv[1:] or BESIDE:
        with ProgressBar() as progress:
            made = make_beside(asked, progress)
        for file in sorted(made.path.iterdir()):
            print(f"{asked}/{file.name:24} {file.stat().st_size / 1e6:.2f} MB")
