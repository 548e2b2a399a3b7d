"""A small run that ships beside the demo's, so that the page Compare has two runs to compare.

`python -m core.demo.beside` makes it: the same market by the model `homes`, which comes with the project and was trained on
the attributes of real towns, as `vibes embed MARKET RUN --model homes` gives before anything is trained. Of a run there is
what Compare needs: the model, its vectors of the listings, what it reads of them, and how it ranked the test queries.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from core.demo.shipped import BESIDE, ROOT
from core.evaluation.run_evaluation import evaluate_run, save_metrics
from core.market.market import Market
from core.progress import Report, Stage
from core.progress.bar import ProgressBar
from core.run.contents import seal
from core.run.generations import RESULTS
from core.run.run import Run
from core.run.spaces import embed_market, save_spaces

MODEL = "homes"


def make_beside(report: Report, market: Path = ROOT, model: str | Path = MODEL) -> Run:
    """Embed the demo's market by a model that ships, into its folder, with the least that Compare needs; and measure it."""
    opened, target = Market.open(market), market / BESIDE
    shutil.rmtree(target, ignore_errors=True)
    manifest = embed_market(opened, target, None, Path(model), report)
    # The other spaces are as in the run that ships.
    save_spaces(target, opened, {"model": Run.open(target, opened).vectors("model")})
    carried = manifest.carried and manifest.carried.model_copy(update={"run": str(model)})
    seal(target, manifest.model_copy(update={"market": "..", "carried": carried}))
    report(Stage("measuring"))
    run = Run.open(target, opened)
    save_metrics(run, evaluate_run(run, rivals="none"))
    shutil.rmtree(target / RESULTS.folder)  # what ships is one state, and has it in one place
    (target / RESULTS.pointer).unlink()
    return run


if __name__ == "__main__":
    with ProgressBar() as progress:
        made = make_beside(progress)
    for file in sorted(made.path.iterdir()):
        print(f"{file.name:24} {file.stat().st_size / 1e6:.2f} MB")
