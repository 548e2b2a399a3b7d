"""Commands that write what other systems read: batch, export."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from listing_vibes.cli import options
from listing_vibes.cli.shared import PRODUCTION, app, progress_bar, read_rules
from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import FORMATS
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run
    from listing_vibes.serving.batch.job import Kind

OUT = "folder for the files, here (an interrupted batch continues) or on object storage (s3://...)"
Out = Annotated[str, typer.Argument(metavar="OUT", help=OUT)]
KIND = "users = recommendations for every user; listings = neighbors of every listing"
BatchKind = Annotated[Literal["users", "listings"], typer.Option(help=KIND)]
ENGINE = "local (threads) or ray (a cluster, by RAY_ADDRESS)"
Engine = Annotated[Literal["local", "ray"], typer.Option(help=ENGINE)]
Space = Annotated[str | None, typer.Option(help="with --kind listings: model, photos or attributes")]


@app.command(rich_help_panel=PRODUCTION)
def batch(
    run: options.RunPath,
    out: Out,
    kind: BatchKind = "users",
    k: options.Count = None,
    rules: options.RulesFile = None,
    space: Space = None,
    blend: options.Blend = None,
    at: options.At = None,
    engine: Engine = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="parallel workers; default: one per core")
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, help="users or listings per file")] = 2048,
) -> None:
    """Write the lists of all users, or the neighbors of all listings, as Parquet files."""
    from listing_vibes.cores import cores
    from listing_vibes.market.durable import only_writer
    from listing_vibes.market.storage import is_address, shown
    from listing_vibes.serving.batch.delivery import delivered
    from listing_vibes.serving.batch.job import prepare, score_here

    chosen, place, started = read_rules(rules, k), shown(out) if is_address(out) else out, time.monotonic()
    others = {"--space": space} if kind == "users" else {"--blend": blend, "rule drop_seen": chosen.drop_seen}
    for name, value in others.items():
        if value is not None:
            raise VibesError(f"{name} is not for --kind {kind}; leave it out.")
    if engine == "ray" and is_address(out):
        raise VibesError(
            f"Option --engine ray needs a folder that is shared by its machines, but OUT is {place}; use --engine local."
        )
    job: Kind = "recommend" if kind == "users" else "similar"
    with delivered(out) as folder, only_writer(folder, "vibes batch"), progress_bar() as progress:
        scorer = prepare(run, folder, job, chosen, space, at, chunk, blend)
        if engine == "local":
            lists = score_here(scorer, workers, progress)
        else:
            from listing_vibes.serving.batch.ray_engine import score_on_ray

            lists = score_on_ray(scorer, workers or cores(), progress)
    seconds, files = time.monotonic() - started, count(scorer.job.chunks, "file")
    typer.echo(f"Wrote lists for {lists:,} {kind} in {seconds:.1f} s; {place} holds {files}.", err=True)


Formats = Annotated[
    list[str] | None, typer.Option("--format", help=f"one of {', '.join(FORMATS)}; repeatable")
]
Vectors = Annotated[
    bool,
    typer.Option("--vectors", help="write the vectors of listings and users as Parquet instead of the model"),
]
Milvus = Annotated[
    str | None,
    typer.Option(
        metavar="PLACE",
        help="fill a Milvus collection with the active listings: a .db file or a server's URL",
    ),
]


@app.command(rich_help_panel=PRODUCTION)
def export(
    run: options.RunPath,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="folder for the files; default: RUN/export")
    ] = None,
    formats: Formats = None,
    vectors: Vectors = False,
    milvus: Milvus = None,
) -> None:
    """Write the model as ONNX and compare it with the original, or the vectors as Parquet or into Milvus."""
    from listing_vibes.run.run import Run

    opened, folder = Run.open(run), out or run / "export"
    if not vectors and milvus is None:
        _export_model(opened, folder, formats or ["onnx"])
        return
    if formats:
        raise VibesError("Options --vectors and --milvus write no model; leave out --format.")
    if vectors:
        from listing_vibes.serving.export.vectors import export_vectors

        with progress_bar() as progress:
            rows = export_vectors(opened, folder, progress)
        for name, number in rows.items():
            typer.echo(f"{folder / name}: {number:,} vectors")
    if milvus is not None:
        from listing_vibes.serving.refresh.milvus import MilvusFollower

        number, _ = MilvusFollower(milvus).follow(opened)
        typer.echo(f"{milvus}: {number:,} vectors")


def _export_model(run: "Run", folder: Path, formats: list[str]) -> None:
    """Write the model in each format, and compare each with the model.

    Raises:
        VibesError: a format is unknown, or the vectors of an export differ too much from the model's.
    """
    for name in formats:
        if name not in FORMATS:
            raise VibesError(f"Option --format is '{name}'; use one of {', '.join(FORMATS)}.")
    _ = run.engine  # raises without a model or without torch
    from listing_vibes.serving.export.model import LEAST, check_export, export_run

    short = []
    for name in dict.fromkeys(formats):
        with progress_bar() as progress:
            files = export_run(run, folder, name, progress)
        checked = check_export(run, folder, name)
        typer.echo(
            f"Wrote {' and '.join(map(str, files))}: mean cosine of listings {checked.listing_cosine:.5f}, of histories "
            f"{checked.history_cosine:.5f}, top-30 overlap {checked.overlap:.4f}.",
            err=True,
        )
        short += [] if checked.holds else [name]
    if short:
        raise VibesError(
            f"The export as {' and '.join(short)} is below {LEAST} in mean cosine or top-30 overlap, so it differs "
            "too much from the model; use another format."
        )
