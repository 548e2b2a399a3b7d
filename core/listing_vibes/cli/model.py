"""Commands that train, embed and measure."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listing_vibes.cli.shared import (
    MODEL,
    Baselines,
    Encoder,
    Json,
    MarketPath,
    Preset,
    Protocol,
    RunPath,
    Weights,
    app,
    as_json,
    photo_vectors,
    progress_bar,
)
from listing_vibes.errors import VibesError, needs
from listing_vibes.progress import silent

if TYPE_CHECKING:
    from listing_vibes.market.market import Market


@app.command(rich_help_panel=MODEL)
def train(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="MARKET... RUN", help="market folders, and the run folder last"),
    ],
    preset: Annotated[Preset | None, typer.Option(help="size of the model")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings")] = None,
    protocol: Annotated[Protocol | None, typer.Option(help="how to split the events")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of everything random")] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            "--init-from", metavar="RUN", help="start from RUN's model: last month's, another market's, homes"
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with an interrupted training")] = False,
    refit: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="train as RUN was, on what it was validated on as well"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="with --refit: on every event, none is left to test on")
    ] = False,
    encoder: Encoder = "auto",
    weights: Weights = None,
) -> None:
    """Train a model on a market, or one on several, and write a run folder."""
    from listing_vibes.market.io import find_table
    from listing_vibes.market.market import Market

    markets, run = folders[:-1], folders[-1]
    if not markets:
        raise VibesError(f"There is one folder, {run}; give a market and a run: `vibes train MARKET RUN`.")
    if find_table(run, "listings") is not None:
        raise VibesError(f"{run} is a market; name the run's folder after the markets.")

    with needs("Training"):
        from listing_vibes.training.start import begin, run_folders

    opened, changes = [Market.open(market) for market in markets], {"preset": preset, "seed": seed}
    main_process = os.environ.get("RANK", "0") == "0"  # under `accelerate launch` one of several speaks
    with progress_bar() as progress:
        report = progress if main_process else silent
        outcome = begin(
            opened,
            run,
            config,
            changes,
            protocol,
            resume,
            refit,
            everything,
            encoder,
            weights,
            report,
            init_from,
        )
    if main_process:
        found = f"validation recall@30 {outcome.best:.3f} (a mean over users) at"
        how = found if outcome.best >= 0 else "without validation, to"
        shown = run_folders(run, opened)[0]
        each = (
            f" It has a run over each of {len(opened)} markets in {shown.parent}." if len(opened) > 1 else ""
        )
        measure = "" if everything else f"Measure it with `vibes evaluate {shown}`. "
        typer.echo(
            f"Wrote the run {run}: {how} step {outcome.best_step}.{each} {measure}Look at it with `vibes explore {shown}`.",
            err=True,
        )


@app.command(rich_help_panel=MODEL)
def embed(
    market: MarketPath,
    run: RunPath,
    model: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="run whose model is used as it is, or one that ships: homes, demo"),
    ] = None,
    photos: Annotated[
        bool | None,
        typer.Option(
            "--photos/--no-photos",
            help="embed photos; default: without --model, or where the model's run has them",
        ),
    ] = None,
    encoder: Encoder = "auto",
    weights: Weights = None,
    json_: Json = False,
) -> None:
    """Embed a market's listings, with the model of another run or (without --model) in the untrained spaces."""
    from listing_vibes.features.photos.trainable import trained_weights
    from listing_vibes.features.photos.vectors import tell_broken
    from listing_vibes.market.market import Market
    from listing_vibes.run.manifest import Manifest
    from listing_vibes.run.named import named_model
    from listing_vibes.run.spaces import embed_market
    from listing_vibes.run.versions import reading

    opened, model = Market.open(market), None if model is None else named_model(model)
    if model is not None:
        with reading(model) as folder:
            known = Manifest.load(folder).photo_encoder
            photos = bool(known or encoder != "auto" or weights) if photos is None else photos
            encoder = known or encoder if encoder == "auto" else encoder
            weights = trained_weights(folder, encoder) if weights is None else weights
    vectors = None if photos is False else photo_vectors(opened, encoder, weights)
    with progress_bar() as progress:
        tell_broken(opened.path, vectors, progress)
        manifest = embed_market(opened, run, vectors, model, progress)
    left_out = (
        " Photos are not embedded; --photos embeds them." if photos is False and len(opened.photos) else ""
    )
    typer.echo(f"Wrote the run {run}; look at it with `vibes explore {run}`.{left_out}", err=True)
    if json_ and manifest.default_space is not None:
        typer.echo(json.dumps({"run": str(run), "default_space": manifest.default_space.model_dump()}))


@app.command(rich_help_panel=MODEL)
def evaluate(
    run: RunPath,
    protocol: Annotated[
        Protocol | None, typer.Option(help="how to split the events; default: that of the training")
    ] = None,
    json_: Json = False,
    queries: Annotated[
        Path | None, typer.Option(metavar="OUT.parquet|OUT.csv", help="write one row a query")
    ] = None,
    new_by: Annotated[
        str | None,
        typer.Option(
            metavar="ATTRIBUTE", help="also rank without what shares this attribute with the history"
        ),
    ] = None,
    baselines: Annotated[
        Baselines,
        typer.Option(help="what stands beside the model: all, without those that take long, or none"),
    ] = "all",
    users: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="ask about so many users, drawn by chance; default: all"),
    ] = None,
) -> None:
    """Measure a run on the test queries, beside baselines: popularity, nearest neighbours, models that know ids."""
    from listing_vibes.evaluation.run_evaluation import evaluate as measure
    from listing_vibes.market.io import check_table_name, write_table
    from listing_vibes.run.run import Run

    check_table_name(queries, "--queries")
    opened = Run.open(run)
    with progress_bar() as progress:
        result = measure(
            opened,
            protocol,
            new_by=new_by,
            baselines=baselines,
            users=users,
            progress=progress,
        )
    if queries is not None:
        write_table(queries, result.queries_frame(opened.market, result.names[0]))
    typer.echo(as_json(opened, result.to_dict()) if json_ else f"{result.table()}\n\n{result.slice_table()}")


@app.command(rich_help_panel=MODEL)
def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="run folder that was evaluated")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="another, or the same with another --other")],
    ranking: Annotated[
        str | None, typer.Option(metavar="NAME", help="which ranking of RUN_A; default: the model")
    ] = None,
    other: Annotated[
        str | None, typer.Option(metavar="NAME", help="which ranking of RUN_B; default: the model")
    ] = None,
    json_: Json = False,
    queries: Annotated[
        Path | None,
        typer.Option(metavar="OUT.parquet|OUT.csv", help="write one row a shared query, with both places"),
    ] = None,
) -> None:
    """Compare two evaluated runs on the queries that both were asked: paired differences, slices, where they differ."""
    from listing_vibes.insight.comparison import compare as compare_runs
    from listing_vibes.market.io import check_table_name, write_table

    check_table_name(queries, "--queries")
    found = compare_runs(run_a, run_b, ranking, other)
    if queries is not None:
        write_table(queries, found.frame())
    typer.echo(json.dumps(found.to_dict()) if json_ else repr(found))


@app.command(rich_help_panel=MODEL)
def ablate(
    market: MarketPath,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder for the runs, the table and the figure")],
    grid: Annotated[str, typer.Option(help="default, ladder, or a TOML file with variants")] = "default",
    seeds: Annotated[str, typer.Option(help="trainings of each variant, by their seeds")] = "0,1,2",
    processes: Annotated[
        int | None, typer.Option(min=1, help="trainings at a time, one thread each; default: one a core")
    ] = None,
    json_: Json = False,
    encoder: Encoder = "auto",
    weights: Weights = None,
) -> None:
    """Say what each part of the method is worth on a market; what OUT holds already is kept."""
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
    vectors = photo_vectors(opened, encoder, weights)
    named = vectors.encoder if vectors is not None and vectors.ok.any() else ""
    with progress_bar() as progress:
        found = run_ablation(opened, out, chosen, numbers, processes, named, _oracle(opened), progress)
    typer.echo(
        f"Wrote {out / 'ablation.parquet'} and the figure {out / 'ablation.png'} (and .svg).", err=True
    )
    typer.echo(json.dumps(found.document()) if json_ else found.text())


def _oracle(market: "Market") -> Any:
    """What makes the oracle of the bundled demo market or of one rebuilt with its parameters; None for any other."""
    truth = market.path / "truth.parquet"
    if not truth.is_file():
        return None
    import pandas as pd

    from listing_vibes.demo.oracle import Oracle
    from listing_vibes.demo.world import World

    world = World.draw()
    return (lambda log: Oracle(world, log)) if world.truth.equals(pd.read_parquet(truth)) else None
