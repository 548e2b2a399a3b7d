"""The command `vibes`: each command is a few lines that call one function of `core`."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import VibesError
from core.progress import Progress

if TYPE_CHECKING:
    from core.features.photos import PhotoVectors
    from core.market.market import Market

app = typer.Typer(
    help="Listing Vibes: an ID-free multimodal recommender for listings, and an explorer over what it finds alike.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
MarketPath = Annotated[
    Path, typer.Argument(metavar="MARKET", help="folder with the three tables and the photos")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="run folder")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout, nothing else")]
Count = Annotated[int, typer.Option("--k", "-k", min=1, help="how many listings")]
Encoder = Annotated[
    str,
    typer.Option("--encoder", help="photo encoder: a timm name, vae, several as a+b; auto = best at hand"),
]
Weights = Annotated[Path | None, typer.Option("--weights", help="file with the photo encoder's weights")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 = any free port")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser window")]


def main() -> None:
    """Run the command line; bad input ends with one sentence on stderr and exit code 2."""
    # torch's threads would spin while they wait: on a machine that does other things, too, that costs half the speed.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except VibesError as error:
        typer.echo(f"vibes: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("vibes: interrupted; the same command (train: with --resume) goes on from here.", err=True)
        sys.exit(130)


@app.command("import")
def import_(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="inside-airbnb, houses, movielens-1m or unisrec")
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="folder with the source's files")],
    market: MarketPath,
) -> None:
    """Make a market folder from files in a known format."""
    from core.market.sources import import_market

    import_market(source, path, market)
    typer.echo(f"Wrote the market {market}; look at it with `vibes check {market}`.", err=True)


@app.command()
def check(market: MarketPath, json_: Json = False) -> None:
    """Profile a market on one screen and name every defect."""
    from core.market.market import Market
    from core.market.profile import profile
    from core.market.profile_text import render

    found = profile(Market.open(market))
    typer.echo(json.dumps(found.to_dict(), default=str) if json_ else render(found))


@app.command()
def photos(market: MarketPath, encoder: Encoder = "auto", weights: Weights = None) -> None:
    """Embed a market's photos; broken files are listed and skipped, and what is done is kept."""
    from core.market.market import Market

    opened = Market.open(market)
    if not len(opened.photos):
        raise VibesError(
            f"{market} has no photos table, so there is nothing to embed; add photos.parquet or photos.csv."
        )
    vectors = _photo_vectors(opened, encoder, weights)
    assert vectors is not None
    for path, reason in vectors.broken:
        typer.echo(f"skipped {path}: {reason}", err=True)
    typer.echo(
        f"{int(vectors.ok.sum())} of {len(vectors.ok)} photos embedded by {vectors.encoder}.", err=True
    )


@app.command()
def train(
    market: MarketPath,
    run: RunPath,
    preset: Annotated[str | None, typer.Option(help="tiny, small, base or large")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings")] = None,
    protocol: Annotated[str | None, typer.Option(help="temporal or leave-one-out")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of everything random")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with an interrupted training")] = False,
    encoder: Encoder = "auto",
    weights: Weights = None,
) -> None:
    """Train a model on a market and write a run folder."""
    from pydantic import ValidationError

    from core.market.config import first_problem
    from core.market.market import Market
    from core.model.settings import Manifest, Settings

    settings = Settings.load(config) if config else Settings()
    changes: dict[str, Any] = {k: v for k, v in (("preset", preset), ("seed", seed)) if v is not None}
    if protocol is not None:
        changes["split"] = {**settings.split.model_dump(), "protocol": protocol}
    try:
        settings = Settings.model_validate({**settings.model_dump(exclude_unset=True), **changes})
    except ValidationError as error:
        raise VibesError(f"Option --{first_problem(error)}") from error
    opened = Market.open(market)
    if encoder == "auto":
        unfinished = run / ".training"
        if resume and (unfinished / "run.toml").is_file():
            encoder = Manifest.load(unfinished).photo_encoder or encoder
        else:
            encoder = "+".join(settings.features.photo_encoders) or encoder
    vectors = _photo_vectors(opened, encoder, weights) if settings.features.photo_tokens else None
    from core.training.train import train as run_training

    main_process = os.environ.get("RANK", "0") == "0"  # under `accelerate launch` one of several speaks
    with Progress() as progress:
        report = progress.training if main_process else lambda entry: None
        outcome = run_training(opened, run, settings, vectors, resume, report)
    if main_process:
        typer.echo(
            f"Wrote the run {run}: validation recall@30 {outcome.best:.3f} at step {outcome.best_step}. "
            f"Measure it with `vibes evaluate {run}`, look at it with `vibes explore {run}`.",
            err=True,
        )


@app.command()
def embed(
    market: MarketPath,
    run: RunPath,
    model: Annotated[
        Path | None, typer.Option(metavar="RUN", help="run whose model is used as it is")
    ] = None,
    encoder: Encoder = "auto",
    weights: Weights = None,
) -> None:
    """Embed a market's listings, with the model of another run or (without --model) in the untrained spaces."""
    from core.market.market import Market
    from core.model.settings import Manifest
    from core.retrieval.embed import embed_market

    opened = Market.open(market)
    if model is not None and encoder == "auto":
        encoder = Manifest.load(model).photo_encoder or encoder
    vectors = _photo_vectors(opened, encoder, weights)
    with Progress() as progress:
        embed_market(opened, run, vectors, model, progress.counting)
    typer.echo(f"Wrote the run {run}; look at it with `vibes explore {run}`.", err=True)


@app.command()
def evaluate(
    run: RunPath,
    protocol: Annotated[
        str | None, typer.Option(help="temporal or leave-one-out; default: that of the training")
    ] = None,
    json_: Json = False,
    queries: Annotated[Path | None, typer.Option(metavar="OUT.parquet", help="write one row a query")] = None,
) -> None:
    """Measure a run on the test queries, beside popularity, recent popularity, ItemKNN, EASE and ALS."""
    if protocol not in (None, "temporal", "leave-one-out"):
        raise VibesError(f"Option --protocol is '{protocol}'; use temporal or leave-one-out.")
    from core.evaluation.run_evaluation import evaluate_run, save_metrics
    from core.market.io import atomic_path
    from core.retrieval.run import Run

    opened = Run.open(run)
    with Progress() as progress:
        result = evaluate_run(opened, protocol, progress.counting)  # type: ignore[arg-type]
    save_metrics(opened, result)
    if queries is not None:
        with atomic_path(queries) as temporary:
            result.queries_frame(opened.market, result.names[0]).to_parquet(temporary, index=False)
    typer.echo(json.dumps(result.to_dict()) if json_ else f"{result.table()}\n\n{result.slice_table()}")


@app.command()
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
    from core.insight.grid import load_grid
    from core.market.market import Market
    from core.training.ablate import ablate as run_ablation

    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise VibesError(f"Option --seeds is '{seeds}'; give whole numbers, for example 0,1,2.") from None
    chosen, opened = load_grid(grid), Market.open(market)
    vectors = _photo_vectors(opened, encoder, weights)
    named = vectors.encoder if vectors is not None and vectors.ok.any() else ""
    with Progress() as progress:
        found = run_ablation(
            opened, out, chosen, numbers, processes, named, _oracle(opened), progress.ablation
        )
    typer.echo(
        f"Wrote {out / 'ablation.parquet'} and the figure {out / 'ablation.png'} (and .svg).", err=True
    )
    typer.echo(json.dumps(found.document()) if json_ else found.text())


@app.command()
def similar(
    run: RunPath,
    listing: Annotated[str, typer.Argument(metavar="LISTING", help="listing id")],
    k: Count = 10,
    space: Annotated[str | None, typer.Option(help="model, photos or attributes")] = None,
    json_: Json = False,
) -> None:
    """The listings most similar to one."""
    from core.retrieval.run import Run

    opened = Run.open(run)
    _show(opened, opened.similar(listing, k, space or opened.spaces[0]), json_)


@app.command()
def recommend(
    run: RunPath,
    user: Annotated[str | None, typer.Argument(metavar="USER", help="user id")] = None,
    history: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON or CSV: listing_id, action?, duration_s?, oldest first"),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="moment (UTC) or position; default: after the last event")
    ] = None,
    k: Count = 10,
    json_: Json = False,
) -> None:
    """Recommend listings to a user of the market, or for a history from a file."""
    from core.retrieval.histories import read_history, read_moment
    from core.retrieval.run import Run

    if (user is None) == (history is None):
        raise VibesError("Give either a USER or --history FILE.")
    opened = Run.open(run)
    told = user if history is None else read_history(history)
    assert told is not None
    _show(opened, opened.recommend(told, k, read_moment(at, opened.market.timed)), json_)


@app.command()
def explore(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...")], port: Port = 0, browser: Browser = True
) -> None:
    """Open the explorer on one or several runs, on this machine only."""
    from core.retrieval.run import Run

    for run in runs:
        Run.open(run)
    _explore(runs, port, browser)


@app.command()
def report(
    run: RunPath,
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="file to write")],
) -> None:
    """Write one self-contained HTML for stakeholders: figures, photos, the method in plain words, its limits."""
    from core.insight.report import write_report
    from core.retrieval.run import Run

    write_report(Run.open(run), out)
    typer.echo(f"Wrote {out}; open it in a browser, or print it from there.", err=True)


@app.command()
def demo(
    port: Port = 0,
    browser: Browser = True,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="make the demo afresh from its photos, compare its figures, and open that"
        ),
    ] = False,
) -> None:
    """Open the explorer on a simulated market of homes, with rendered photos and a trained model."""
    from core.demo.shipped import bundled_run

    run = bundled_run()
    if rebuild:
        from core.demo.bundle import rebuild_demo

        with Progress() as progress:
            made, figures = rebuild_demo(progress.training, progress.photos)
        typer.echo(figures.to_string(index=False, float_format="{:.4f}".format), err=True)
        largest = figures.loc[figures["difference"].abs().idxmax()]
        typer.echo(
            f"Rebuilt in {made.path}; the largest difference of a recall@30 is {largest['difference']:+.4f} "
            f"({largest['ranking']}).",
            err=True,
        )
        run = made.path
    _explore([run], port, browser)


def _explore(runs: list[Path], port: int, browser: bool) -> None:
    import subprocess

    try:
        from app.launch import command
    except ImportError as error:
        raise VibesError(
            f"The explorer needs {error.name}; install it with `pip install 'listing-vibes[app]'`."
        ) from error
    arguments = command([run.resolve() for run in runs], port or None, browser)
    if (
        os.name == "posix"
    ):  # the server takes this process's place, so that whoever ends the one ends the other
        os.execv(arguments[0], arguments)
    try:
        raise typer.Exit(subprocess.call(arguments))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _photo_vectors(market: "Market", encoder: str, weights: Path | None) -> "PhotoVectors | None":
    """The vectors of all photos, embedding those that are not cached yet; None for a market without photos."""
    if not len(market.photos):
        return None
    try:
        from core.features.market_photos import market_photos
    except ImportError as error:
        raise VibesError(
            f"Embedding photos needs {error.name}; install it with `pip install 'listing-vibes[train]'`."
        ) from error
    with Progress() as progress:
        return market_photos(market, encoder, weights, progress.counting)


def _oracle(market: "Market") -> Any:
    """What makes the oracle of the bundled demo market or of one rebuilt with its parameters; None for any other."""
    truth = market.path / "truth.parquet"
    if not truth.is_file():
        return None
    import pandas as pd

    from core.demo.oracle import Oracle
    from core.demo.world import World

    world = World.draw()
    return (lambda log: Oracle(world, log)) if world.truth.equals(pd.read_parquet(truth)) else None


def _show(run: Any, found: Any, as_json: bool) -> None:
    from core.retrieval.describe import described, table

    if as_json:
        typer.echo(json.dumps(found.to_dict("records")))
    else:
        typer.echo(table(described(run, found)))
