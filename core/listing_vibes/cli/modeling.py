"""Commands that train, embed and measure."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from listing_vibes.cli import options
from listing_vibes.cli.shared import MODEL, app, as_json, photo_vectors, progress_bar, use_engine
from listing_vibes.errors import VibesError, needs
from listing_vibes.progress import silent

FOLDERS = "market folders, and the run folder last"
INIT_FROM = "warm start from the model of RUN, or from an included model (homes)"
REFIT = "train with the settings of RUN, on its validation events as well"
EVERYTHING = "with --refit: train on all events and keep no test set"


@app.command(rich_help_panel=MODEL)
def train(
    folders: Annotated[list[Path], typer.Argument(metavar="MARKET... RUN", help=FOLDERS)],
    preset: Annotated[options.Preset | None, typer.Option(help="size of the model")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings")] = None,
    protocol: Annotated[options.Protocol | None, typer.Option(help="how to split the events")] = None,
    seed: Annotated[int | None, typer.Option(help="random seed")] = None,
    init_from: Annotated[Path | None, typer.Option(metavar="RUN", help=INIT_FROM)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue an interrupted training")] = False,
    refit: Annotated[Path | None, typer.Option(metavar="RUN", help=REFIT)] = None,
    everything: Annotated[bool, typer.Option("--everything", help=EVERYTHING)] = False,
    encoder: options.Encoder = "auto",
    weights: options.Weights = None,
    engine: options.Engine = "local",
    workers: options.Workers = None,
) -> None:
    """Train a model on one or several markets and write a run folder."""
    from listing_vibes.market.io import find_table

    markets, run = folders[:-1], folders[-1]
    if not markets or find_table(run, "listings") is not None:
        raise VibesError(
            f"{run} is the only folder or a market; name the run's folder last: `vibes train MARKET RUN`."
        )
    from listing_vibes.run.manifest import Manifest

    with needs("Training"):
        from listing_vibes.training.api import train as train_run

    main_process = os.environ.get("RANK", "0") == "0"  # under `accelerate launch` only one process reports
    with use_engine(engine, workers), progress_bar() as progress:
        runs = train_run(
            markets, run, config, protocol=protocol, resume=resume, start=init_from, refit=refit, everything=everything,
            encoder=encoder, weights=weights, progress=progress if main_process else silent, preset=preset, seed=seed,
        )  # fmt: skip
    if main_process:
        shown = runs[0].path
        each = f" It has a run over each market in {shown.parent}." if len(runs) > 1 else ""
        measure = "" if everything else f" Measure it with `vibes evaluate {shown}`."
        steps = f"with the weights of step {Manifest.load(run).steps}"
        typer.echo(f"Wrote the run {run}, {steps}.{each}{measure}", err=True)


EMBED_MODEL = "use the model of this run, or an included model (homes, demo); default: the one that RUN has"
NO_MODEL = "give up the model that RUN has"
UNDO = "go back to the version of RUN that the last `vibes embed` replaced"
PHOTOS = "embed photos; default: if there is no model, or it reads photos"
Photos = Annotated[bool | None, typer.Option("--photos/--no-photos", help=PHOTOS)]


@app.command(rich_help_panel=MODEL)
def embed(
    market: options.MarketPath,
    run: options.RunPath,
    model: Annotated[Path | None, typer.Option(metavar="RUN", help=EMBED_MODEL)] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help=NO_MODEL)] = False,
    undo: Annotated[bool, typer.Option("--undo", help=UNDO)] = False,
    photos: Photos = None,
    encoder: options.Encoder = "auto",
    weights: options.Weights = None,
    engine: options.Engine = "local",
    workers: options.Workers = None,
) -> None:
    """Embed a market's listings without training, with a model that exists or in the untrained spaces."""
    from listing_vibes.features.feature_config import trained_weights
    from listing_vibes.features.photos.photo_vectors import report_broken_photos
    from listing_vibes.market.durable import only_writer
    from listing_vibes.market.market import Market
    from listing_vibes.run.embedding import embed_market, model_to_embed
    from listing_vibes.run.manifest import Manifest
    from listing_vibes.run.versions import reading, undo_embedding

    if undo:
        with only_writer(run, "vibes embed"):
            version = undo_embedding(run).version
        typer.echo(f"{run} is at version {version} again.", err=True)
        return
    if model is not None and no_model:
        raise VibesError("Options --model and --no-model exclude each other; give one of them.")
    opened, model = Market.open(market), model_to_embed(run, model, no_model)
    if model is not None:
        with reading(model) as folder:
            stored = Manifest.load(folder).photo_encoder
            photos = bool(stored or encoder != "auto" or weights) if photos is None else photos
            encoder = stored or encoder if encoder == "auto" else encoder
            weights = trained_weights(folder, encoder) if weights is None else weights
    with use_engine(engine, workers):
        vectors = None if photos is False else photo_vectors(opened, encoder, weights)
    with use_engine(engine, workers), progress_bar() as progress:
        report_broken_photos(opened.path, vectors, progress)
        embed_market(opened, run, vectors, model, progress, no_model)
    without = photos is False and len(opened.photos)
    left_out = " Photos are not embedded; --photos embeds them." if without else ""
    typer.echo(f"Wrote the run {run}; look at it with `vibes explore {run}`.{left_out}", err=True)


BASELINES = "baselines to compare with: all, all but slow ones, or none"
USERS = "evaluate a random sample of this many users; default: all"
Queries = Annotated[Path | None, options.table_file("write one row per query")]


@app.command(rich_help_panel=MODEL)
def evaluate(
    run: options.RunPath,
    json_: options.Json = False,
    queries: Queries = None,
    baselines: Annotated[options.Baselines, typer.Option(help=BASELINES)] = "all",
    users: Annotated[int | None, typer.Option(min=1, metavar="N", help=USERS)] = None,
) -> None:
    """Evaluate a run and tuned baselines on the test queries: popularity, nearest neighbors, id-based models."""
    from listing_vibes.evaluation.run_evaluation import evaluate as measure
    from listing_vibes.insight.page_evidence import prepare_evidence
    from listing_vibes.market.io import write_table
    from listing_vibes.run.run import Run

    opened = Run.open(run)
    with progress_bar() as progress:
        result = measure(opened, baselines=baselines, users=users, progress=progress)
    if queries is not None:
        write_table(queries, result.queries_frame(opened.market, result.names[0]))
    typer.echo(as_json(opened, result.to_dict()) if json_ else f"{result.table()}\n\n{result.slice_table()}")
    prepare_evidence(Run.open(run))  # so that the explorer shows it at once


RunB = Annotated[
    Path, typer.Argument(metavar="RUN_B", help="another evaluated run, or the same one with another --other")
]


@app.command(rich_help_panel=MODEL)
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="run folder that was evaluated")],
    run_b: RunB,
    ranking: Annotated[
        str | None,
        typer.Option(help="name of a ranking of RUN_A, as in evaluate; default: the default ranking"),
    ] = None,
    other: Annotated[str | None, typer.Option(help="the same of RUN_B")] = None,
    json_: options.Json = False,
    queries: Queries = None,
) -> None:
    """Compare two evaluated runs on their shared queries: paired differences, slices, where they differ."""
    from listing_vibes.insight.comparison import compare as compare_runs
    from listing_vibes.market.io import write_table

    comparison = compare_runs(run_a, run_b, ranking, other)
    if queries is not None:
        write_table(queries, comparison.frame())
    typer.echo(json.dumps(comparison.to_dict()) if json_ else repr(comparison))


@app.command(rich_help_panel=MODEL)
def ablate(
    market: options.MarketPath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder for the runs, the table and the figure")],
    grid: Annotated[str, typer.Option(help="default, ladder, or a TOML file with variants")] = "default",
    seeds: Annotated[str, typer.Option(help="seeds of the trainings of each variant")] = "0,1,2",
) -> None:
    """Measure what each part of the method is worth on a market; finished trainings in OUT are reused."""
    from listing_vibes.ablation.ablate import ablate as run_ablation
    from listing_vibes.ablation.ablate import check_seeds
    from listing_vibes.ablation.grid import load_grid
    from listing_vibes.market.market import Market

    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise VibesError(f"Option --seeds is '{seeds}'; give whole numbers, for example 0,1,2.") from None
    check_seeds(numbers)  # before photos are embedded
    chosen, opened = load_grid(grid), Market.open(market)
    vectors = photo_vectors(opened, "auto", None)
    photo_encoder = vectors.encoder if vectors is not None and vectors.ok.any() else ""
    with progress_bar() as progress:
        ablation = run_ablation(
            opened, out, chosen, numbers, photo_encoder=photo_encoder, oracle=_oracle(market), report=progress
        )
    typer.echo(f"Wrote {out / 'ablation.parquet'} and {out / 'ablation.png'} (and .svg).", err=True)
    typer.echo(ablation.text())


@app.command(rich_help_panel=MODEL)
def tune(
    market: options.MarketPath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder of the search and of settings.toml")],
    trials: Annotated[
        int, typer.Option(min=2, help="trainings to search with, before six with other seeds that confirm")
    ] = 20,
) -> None:
    """Search for better settings by validation recall, and write them for --config; an interrupted search continues."""
    with needs("Tuning"):
        from listing_vibes.training.tune import tune as search

    with progress_bar() as progress:
        tuned = search(market, out, trials, progress)
    typer.echo(tuned.text())
    typer.echo(
        f"Wrote {out / 'settings.toml'}; train with `vibes train {market} RUN --config {out / 'settings.toml'}`.",
        err=True,
    )


def _oracle(market: Path) -> Any:
    """Return the factory of the oracle of a market that was simulated by the demo's parameters; None for other markets."""
    if not (market / "truth.parquet").is_file():
        return None
    import pandas as pd

    from listing_vibes.demo.oracle import Oracle
    from listing_vibes.demo.simulate import World

    world = World.draw()
    is_same = world.truth.equals(pd.read_parquet(market / "truth.parquet"))
    return (lambda log: Oracle(world, log)) if is_same else None
