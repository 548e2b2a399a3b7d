"""Build the demo that ships in `assets/demo`: `PYTHONPATH=core:assets/demo python -m studio.bundle WORK`, from its rendered photos.

Two smaller runs of the same market ship with its run, for the page Compare: "without-photos" has the same preset and seed but no
photos; "homes" uses the model of that name that ships, as `vibes embed MARKET RUN --model homes` does without training.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file, save_file

from listing_vibes.ablation.ablate import ablate, folder_of
from listing_vibes.ablation.grid import load_grid
from listing_vibes.demo.oracle import Oracle
from listing_vibes.demo.shipped import BESIDE as SMALLER
from listing_vibes.demo.shipped import ROOT, RUN, TRUTH
from listing_vibes.demo.simulate import World, simulate
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.features.feature_config import LITE0
from listing_vibes.features.photos.photo_encoder import load_photo_encoder
from listing_vibes.features.photos.photo_vectors import PhotoVectors, embed_photos, ship_vectors
from listing_vibes.insight.comparison import compare
from listing_vibes.insight.disagreements import FILE as LISTS
from listing_vibes.insight.disagreements import LISTED, SHOWN, first_lists, usual_baseline
from listing_vibes.insight.home import FILE as HOME
from listing_vibes.insight.home import home_evidence
from listing_vibes.insight.map.vibe_map import FILE as MAP
from listing_vibes.insight.map.vibe_map import save_map
from listing_vibes.insight.photo_search import FILE as LOOKS
from listing_vibes.insight.photo_search import PhotoSearch
from listing_vibes.insight.probes import FILE as PROBES
from listing_vibes.insight.probes import probe_market
from listing_vibes.insight.rankings import distinct_examples
from listing_vibes.market.caches import run_cache_file
from listing_vibes.market.durable import atomic_path, copy_file
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Report, Stage
from listing_vibes.progress.bar import ProgressBar
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.manifest import Manifest, seal
from listing_vibes.run.run import Run
from listing_vibes.run.versions import RESULTS, results_of
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING
from listing_vibes.training.train import train

#: A fixed encoder rather than the best available one, so that the run is the same on every machine.
ENCODER = LITE0
WEIGHTS = "model.safetensors"
#: Other files of a training, or files that `bundle` moves out of its run.
BESIDE = ("train.jsonl", "ablation.parquet", "ablation.png", "ablation.svg")
FULL = "full"  # the last model of the ladder
#: The smallest model, which keeps a clone of the project small; all other settings are the defaults.
SHIPPED: dict[str, Any] = {"preset": "tiny"}
WITHOUT_PHOTOS, HOMES = SMALLER


@dataclass(frozen=True, eq=False)
class DemoMarket:
    """A demo market on disk, with its latent world and its photo vectors."""

    market: Market
    world: World
    photos: PhotoVectors


def make_market(folder: Path, photo_root: Path, report: Report, **size: Any) -> DemoMarket:
    """Simulate the market and the truth into `folder` with the photos of `photo_root`, and embed these.

    `size` goes to `listing_vibes.demo.simulate.simulate`.

    Raises:
        VibesError: there is no photo, or the folder cannot be written.
    """
    if not any((photo_root / "photos").glob("*.webp")):
        raise VibesError(
            f"{photo_root / 'photos'} holds no photos of the demo; render them with `PYTHONPATH=core:assets/demo python -m studio`."
        )
    report(Stage("simulating"))
    world = simulate(folder, photo_root, truth=folder / TRUTH, overwrite=True, **size)
    market = Market.open(folder)
    vectors = embed_photos(folder, market.photos, load_photo_encoder(ENCODER), report=report)
    return DemoMarket(market, world, vectors)


def finish(demo: DemoMarket, run: Path, report: Report) -> Run:
    """Evaluate a trained run together with the oracle, draw its map, make its photos searchable, and store the market's path
    relative to the project.

    The evaluated weights are those that ship: rounded to float16, which keeps a clone small.
    """
    trained = run.with_name(f".{run.name}-trained")
    shutil.rmtree(trained, ignore_errors=True)
    run.rename(trained)
    round_weights(trained)
    manifest = embed_market(demo.market, run, demo.photos, trained)
    for path in (trained / name for name in BESIDE):
        if path.is_file():
            shutil.copyfile(path, run / path.name)
    shutil.rmtree(trained)
    seal(run, manifest.model_copy(update={"market": ".."}))
    report(Stage("measuring"))
    opened = Run.open(run, demo.market)
    save_measured(opened, evaluate_run(opened, also=[Oracle(demo.world, opened.log)]))
    report(Stage("drawing the map"))
    save_map(opened, report=report)
    report(Stage("classifying the photos"))
    PhotoSearch.make(opened)
    ship_caches(opened)
    ship_vectors(demo.market.path, demo.market.photos, demo.photos.encoder)
    return opened


def ship_caches(run: Run) -> None:
    """Copy the map, the photo search, what Home and Compare show of a run that ships from the user's cache into its folder,
    so that the explorer shows them at once.
    """
    home_evidence(run)
    probe_market(run)
    if (baseline := usual_baseline(run)) is not None:
        differing = compare(run, run, other=baseline).ahead
        rows = pd.concat(distinct_examples(*differing, SHOWN), ignore_index=True)
        for name in (DEFAULT_RANKING, baseline):
            first_lists(run, name, rows, LISTED)
    for name in (MAP, LOOKS, HOME, PROBES, LISTS):
        cached = run_cache_file(run.path, name)
        if cached != run.path / name and cached.is_file():
            copy_file(cached, run.path / name)


def save_measured(run: Run, evaluation: Evaluation) -> None:
    """Write the evaluation into a run that ships, where it is stored in one place."""
    save_metrics(run, evaluation)
    for path in results_of(run.path).glob("[!.]*"):
        copy_file(path, run.path / path.name)
    shutil.rmtree(run.path / RESULTS.folder)
    (run.path / RESULTS.pointer).unlink()


def round_weights(run: Path) -> None:
    """Round the weights of a run folder to float16."""
    weights = load_file(run / WEIGHTS)
    with atomic_path(run / WEIGHTS) as temporary:
        save_file({name: tensor.half() for name, tensor in weights.items()}, temporary)
    seal(run, Manifest.load(run))


def bundle(work: Path, report: Report) -> None:
    """Build the demo that ships: train the ladder in the folder `work`, and ship its last model with the ladder's table.

    `work` can be resumed; models that are trained already are not trained again.
    """
    created, run = make_market(ROOT, ROOT, report), ROOT / RUN
    ladder = load_grid("ladder")
    grid = ladder.model_copy(update={"base": {**ladder.base, **SHIPPED}})
    seed = created.world.seed
    oracle, encoder = lambda log: Oracle(created.world, log), created.photos.encoder
    ablate(created.market, work, grid, (seed,), photo_encoder=encoder, oracle=oracle, report=report)
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(folder_of(work, FULL, seed) / "run", run)
    for suffix in (".parquet", ".png", ".svg"):
        shutil.copyfile(work / f"ablation{suffix}", run / f"ablation{suffix}")
    finish(created, run, report)
    plain = work / WITHOUT_PHOTOS
    settings = Settings.model_validate({**SHIPPED, "seed": seed, "features": {"photos": 0}})
    train(created.market, plain, settings, None, report=report)
    round_weights(plain)
    for name, model in ((WITHOUT_PHOTOS, plain), (HOMES, Path(HOMES))):
        embed_smaller(created.market, ROOT / name, model, report)


def embed_smaller(market: Market, target: Path, model: Path, report: Report) -> None:
    """Build a run with what Compare needs: the model, its listing vectors and features, and its ranked queries."""
    shutil.rmtree(target, ignore_errors=True)
    manifest = embed_market(market, target, None, model, report)
    transferred = manifest.carried and manifest.carried.model_copy(update={"run": str(model)})
    seal(target, manifest.model_copy(update={"market": "..", "carried": transferred}))
    report(Stage("measuring"))
    run = Run.open(target, market)
    save_measured(run, evaluate_run(run, baselines="none"))
    save_map(run, report=report)
    ship_caches(run)


if __name__ == "__main__":
    with ProgressBar() as progress:
        bundle(Path(sys.argv[1]), progress)
