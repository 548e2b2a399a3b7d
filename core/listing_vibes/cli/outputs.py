"""Commands that write what other systems read: batch, export."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from listing_vibes.cli import lists as options
from listing_vibes.cli.shared import PRODUCTION, Json, RunPath, app, progress_bar
from listing_vibes.cores import cores
from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import FORMATS
from listing_vibes.run.rules import Rules
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run
    from listing_vibes.serving.batch.job import Kind


Out = Annotated[
    str,
    typer.Argument(
        metavar="OUT",
        help="folder for the files, here (an interrupted batch continues) or on object storage (s3://...)",
    ),
]
BatchKind = Annotated[
    Literal["users", "listings"],
    typer.Option(help="users = recommendations for every user; listings = neighbors of every listing"),
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="local (threads) or ray (a cluster, by RAY_ADDRESS)"),
]


@app.command(rich_help_panel=PRODUCTION)
def batch(
    run: RunPath,
    out: Out,
    kind: BatchKind = "users",
    k: options.Count = None,
    where: options.Where = None,
    at_most: options.AtMost = None,
    diversity: options.Diversity = None,
    exclude: options.Exclude = None,
    rules: options.RulesFile = None,
    space: Annotated[
        str | None, typer.Option(help="with --kind listings: model, photos or attributes")
    ] = None,
    blend: options.Blend = None,
    at: options.At = None,
    engine: Engine = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="parallel workers; default: one a core")] = None,
    chunk: Annotated[int, typer.Option(min=1, help="users or listings a file")] = 2048,
    json_: Json = False,
) -> None:
    """Write the lists of all users, or the neighbors of all listings, as Parquet files."""
    from listing_vibes.market.storage import is_address, shown

    chosen = options.read_rules(rules, k=k, where=where, at_most=at_most, diversity=diversity, block=exclude)
    users = kind == "users"
    others = {"--space": space} if users else {"--blend": blend, "rule drop_seen": chosen.drop_seen}
    for name, value in others.items():
        if value is not None:
            raise VibesError(f"{name} is not for --kind {kind}; leave it out.")
    started = time.monotonic()
    files, lists = _write_lists(
        "recommend" if users else "similar", run, out, chosen, at, space, engine, workers, chunk, blend
    )
    seconds = time.monotonic() - started
    place = shown(out) if is_address(out) else out
    if json_:
        typer.echo(json.dumps({"out": place, "files": files, "lists": lists, "seconds": round(seconds, 2)}))
        return
    typer.echo(
        f"Wrote lists for {lists:,} {kind} in {seconds:.0f} s ({lists / max(seconds, 1e-9):,.0f} a second); "
        f"{place} holds {count(files, 'file')}.",
        err=True,
    )


def _write_lists(
    kind: "Kind", run: Path, out: str, rules: Rules, at: str | None, space: str | None,
    engine: str, workers: int | None, chunk: int, blend: str | None,
) -> tuple[int, int]:  # fmt: skip
    """Write the lists of every listing or user to `out`; return the number of files and of lists."""
    from listing_vibes.market.durable import only_writer
    from listing_vibes.market.storage import is_address, shown
    from listing_vibes.serving.batch.delivery import delivered
    from listing_vibes.serving.batch.job import prepare, score_here

    if engine == "ray" and is_address(out):
        raise VibesError(
            f"Option --engine ray needs a folder that is shared by its machines, but OUT is {shown(out)}; use --engine local."
        )
    with delivered(out) as folder, only_writer(folder, "vibes batch"), progress_bar() as progress:
        scorer = prepare(run, folder, kind, rules, space, at, chunk, blend)
        if engine == "local":
            lists = score_here(scorer, workers, progress)
        else:
            from listing_vibes.serving.batch.ray_engine import score_on_ray

            lists = score_on_ray(folder, workers or cores(), progress)
    return scorer.job.chunks, lists


Formats = Annotated[
    list[str] | None,
    typer.Option("--format", help=f"one of {', '.join(FORMATS)}; repeatable"),
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
    run: RunPath,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="folder for the files; default: RUN/export")
    ] = None,
    formats: Formats = None,
    check: Annotated[
        bool, typer.Option("--check", help="compare vectors and the first 30 with the model's")
    ] = False,
    vectors: Vectors = False,
    milvus: Milvus = None,
    json_: Json = False,
) -> None:
    """Write the model as ONNX, or the vectors of listings and users as Parquet or into Milvus."""
    from dataclasses import asdict

    from listing_vibes.run.run import Run

    opened, folder = Run.open(run), out or run / "export"
    if (vectors or milvus is not None) and (formats or check):
        raise VibesError("Options --vectors and --milvus write no model; leave out --format and --check.")
    if vectors or milvus is not None:
        written = _export_vectors(opened, folder if vectors else None, milvus)
        lines = [f"{place}: {count:,} vectors" for place, count in written.items()]
        typer.echo(json.dumps(written) if json_ else "\n".join(lines))
        return
    _ = opened.engine  # raises without a model or without torch
    from listing_vibes.serving.export.model import LEAST, check_export, export_run

    chosen = list(dict.fromkeys(formats or ["onnx"]))
    for name in chosen:
        if name not in FORMATS:
            raise VibesError(f"Option --format is '{name}'; use one of {', '.join(FORMATS)}.")
    documents, short = {}, []
    for name in chosen:
        with progress_bar() as progress:
            files = export_run(opened, folder, name, progress)
        documents[name] = {"files": [str(path) for path in files]}
        typer.echo(f"Wrote {' and '.join(documents[name]['files'])}.", err=True)
        if check:
            checked = check_export(opened, folder, name)
            documents[name] |= asdict(checked)
            if not json_:
                typer.echo(
                    f"{name}: cosine {checked.listing_cosine:.5f} of {checked.listings} listings, "
                    f"{checked.history_cosine:.5f} of {checked.histories} histories (lowest {checked.lowest:.5f}), "
                    f"top-30 overlap {checked.overlap:.4f}"
                )
            if not checked.holds:
                short.append(name)
    if json_:
        typer.echo(json.dumps(documents))
    if short:
        raise VibesError(
            f"The export as {' and '.join(short)} is below {LEAST} in mean cosine or top-30 overlap, so it differs "
            "too much from the model; use another format."
        )


def _export_vectors(run: "Run", folder: Path | None, milvus: str | None) -> dict[str, int]:
    """Write vectors as Parquet and into Milvus; return their number by place."""
    written: dict[str, int] = {}
    if folder is not None:
        from listing_vibes.serving.export.vectors import export_vectors

        with progress_bar() as progress:
            rows = export_vectors(run, folder, progress)
        written |= {str(folder / name): count for name, count in rows.items()}
    if milvus is not None:
        from listing_vibes.serving.refresh.milvus import MilvusFollower

        written[milvus], _ = MilvusFollower(milvus).follow(run)
    return written
