"""The demo that ships in `assets/demo`: a market folder with photos and, inside it, a trained run and the latent truth.

`python -m core.demo.bundle` makes it from the photos; `vibes demo --rebuild` makes it afresh elsewhere and compares.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import VibesError
from core.retrieval.run import Run

ROOT = Path(__file__).resolve().parents[2] / "assets" / "demo"
RUN, TRUTH = "run", "truth.parquet"
Report = Callable[[dict[str, Any]], None]  # what `core.training.train` reports
Photos = Callable[[int, int, float], None]  # photos embedded, of how many, seconds to go


def bundled_run() -> Path:
    """The run that ships with the project.

    Raises:
        VibesError: it is not there.
    """
    if not (ROOT / RUN / "run.toml").is_file():
        raise VibesError(
            f"The demo is not at {ROOT}; it comes with the project's folder: clone that, and install it with "
            "`pip install -e '.[app,train]'`."
        )
    return ROOT / RUN


def cache_folder() -> Path:
    """Where a rebuilt demo lies: `$LISTING_VIBES_CACHE`, else the user's cache folder."""
    own = os.environ.get("LISTING_VIBES_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "listing-vibes"


def build(
    folder: Path,
    photo_root: Path,
    report: Report,
    photos: Photos,
    settings: dict[str, Any] | None = None,
    **size: Any,
) -> Run:
    """Simulate the market into `folder` with the pictures of `photo_root`, train on it with the defaults, measure.

    The tables, the truth and the run replace those of an earlier build; a training that was interrupted goes on.
    `settings` changes the defaults of the training, `size` goes to `core.demo.simulate.simulate`.

    Raises:
        VibesError: no picture is there, or the folder cannot be written.
    """
    from core.demo.oracle import Oracle
    from core.demo.simulate import simulate
    from core.evaluation.run_evaluation import evaluate_run, save_metrics
    from core.features.photo_encoder import load_photo_encoder
    from core.features.photos import embed_photos
    from core.insight.vibe_map import save_map
    from core.market.market import Market
    from core.model.settings import Manifest, Settings
    from core.training.train import train

    if not any((photo_root / "photos").glob("*.webp")):
        raise VibesError(
            f"{photo_root / 'photos'} holds no pictures of the demo; render them with `python -m core.demo.render`."
        )
    report({"stage": "simulating"})
    made = simulate(folder, photo_root, truth=folder / TRUTH, **size)
    market, run = Market.open(folder), folder / RUN
    # By name, not the best at hand: the same run on every machine.
    encoder = load_photo_encoder("tf_efficientnet_lite0")
    vectors = embed_photos(folder, market.photos, encoder, progress=photos)
    if (run / "run.toml").is_file():
        shutil.rmtree(run)
    chosen = Settings.model_validate({"seed": made.world.seed, **(settings or {})})
    train(market, run, chosen, vectors, resume=(run / ".training" / "run.toml").is_file(), report=report)
    Manifest.load(run).model_copy(update={"market": ".."}).save(run)  # wherever the project lies
    report({"stage": "measuring"})
    opened = Run.open(run, market)
    save_metrics(opened, evaluate_run(opened, also=[Oracle(made.world, opened.log)]))
    report({"stage": "drawing the map"})
    save_map(opened)
    return opened


def rebuild_demo(report: Report, photos: Photos) -> tuple[Run, pd.DataFrame]:
    """Build the demo afresh in the cache folder; the run, and its figures beside the bundled ones.

    The frame has the columns `ranking, bundled, rebuilt, difference`, recall@30 each.
    """
    bundled = Run.open(bundled_run()).metrics
    run = build(cache_folder() / "demo", ROOT, report, photos)
    return run, compare(bundled or {}, run.metrics or {})


def compare(bundled: dict[str, Any], rebuilt: dict[str, Any]) -> pd.DataFrame:
    """recall@30 of two `metrics.json`: `ranking, bundled, rebuilt, difference`, for the rankings that both have."""
    old, new = bundled.get("results", {}), rebuilt.get("results", {})
    rows = [
        (name, old[name]["recall@30"]["value"], new[name]["recall@30"]["value"])
        for name in old
        if name in new
    ]
    frame = pd.DataFrame(rows, columns=["ranking", "bundled", "rebuilt"])
    return frame.assign(difference=frame["rebuilt"] - frame["bundled"])


if __name__ == "__main__":
    build(ROOT, ROOT, lambda entry: None, lambda *_: None)
