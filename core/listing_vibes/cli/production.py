"""Commands that run in production: batch, export, refresh, forget, serve, experiment, monitor."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from listing_vibes.cli import options
from listing_vibes.cli.shared import PRODUCTION, app, progress_bar, read_rules, use_engine
from listing_vibes.errors import VibesError, needs, printable
from listing_vibes.model.export.formats import FORMATS
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

OUT = "folder for the files, here (an interrupted batch continues) or on object storage (s3://...)"
KIND = "users = recommendations for every user; listings = neighbors of every listing"
Space = Annotated[str | None, typer.Option(help="with --kind listings: model, photos or attributes")]


@app.command(rich_help_panel=PRODUCTION)
def batch(
    run: options.RunPath,
    out: Annotated[str, typer.Argument(metavar="OUT", help=OUT)],
    kind: Annotated[Literal["users", "listings"], typer.Option(help=KIND)] = "users",
    k: options.Count = None,
    rules: options.RulesFile = None,
    space: Space = None,
    blend: options.Blend = None,
    at: options.At = None,
    engine: options.Engine = "local",
    workers: options.Workers = None,
) -> None:
    """Write the lists of all users, or the neighbors of all listings, as Parquet files."""
    from listing_vibes.cores import cores
    from listing_vibes.market.durable import only_writer
    from listing_vibes.market.storage import is_address, shown
    from listing_vibes.run.query import Query
    from listing_vibes.serving.batch import delivered, prepare, score_here, score_on_ray

    chosen, place, started = read_rules(rules, k), shown(out) if is_address(out) else out, time.monotonic()
    others = {"--space": space} if kind == "users" else {"--blend": blend, "rule drop_seen": chosen.drop_seen}
    for name, value in others.items():
        if value is not None:
            raise VibesError(f"{name} is not for --kind {kind}; leave it out.")
    if engine == "ray" and is_address(out):
        raise VibesError(
            f"Option --engine ray needs a folder that is shared by its machines, but OUT is {place}; use --engine local."
        )
    users, listings = ((), None) if kind == "users" else (None, ())
    query = Query(users=users, listings=listings, space=space, blend=blend, at=at, rules=chosen)
    with delivered(out) as folder, only_writer(folder, "vibes batch"), progress_bar() as progress:
        scorer = prepare(run, folder, query)
        if engine == "local":
            lists = score_here(scorer, workers, progress)
        else:
            lists = score_on_ray(scorer, workers or cores(), progress)
    seconds, files = time.monotonic() - started, count(scorer.chunks, "file")
    typer.echo(f"Wrote lists for {lists:,} {kind} in {seconds:.1f} s; {place} holds {files}.", err=True)


VECTORS = "vectors"
FORMAT = f"{', '.join(FORMATS)}, or {VECTORS} (of listings and users, as Parquet); repeatable; default: onnx"
Formats = Annotated[list[str] | None, typer.Option("--format", metavar="FORMAT", help=FORMAT)]
MILVUS = "fill a Milvus collection with the active listings: a .db file or a server's URL"
Milvus = Annotated[str | None, typer.Option(metavar="PLACE", help=MILVUS)]
INDEX = "Milvus's index type, such as HNSW; default: AUTOINDEX, in a file FLAT (exact)"
EXPORTED = "folder for the files; default: RUN/export"
Exported = Annotated[Path | None, typer.Argument(metavar="OUT", help=EXPORTED)]


@app.command(rich_help_panel=PRODUCTION)
def export(
    run: options.RunPath,
    out: Exported = None,
    formats: Formats = None,
    milvus: Milvus = None,
    milvus_index: Annotated[str | None, typer.Option(metavar="TYPE", help=INDEX)] = None,
    milvus_metric: Annotated[Literal["IP", "COSINE", "L2"], typer.Option(help="metric of the index")] = "IP",
) -> None:
    """Write the model as ONNX and compare it with the original, or the vectors as Parquet or into Milvus."""
    from listing_vibes.run.run import Run

    for name in formats or ():
        if name not in (*FORMATS, VECTORS):
            raise VibesError(f"Option --format is '{name}'; use one of {', '.join((*FORMATS, VECTORS))}.")
    opened, folder = Run.open(run), out or run / "export"
    for name in dict.fromkeys(formats or ([] if milvus else ["onnx"])):
        (_export_vectors if name == VECTORS else _export_model)(opened, folder, name)
    if milvus is not None:
        from listing_vibes.serving.export import fill_collection

        typer.echo(f"{milvus}: {fill_collection(opened, milvus, milvus_index, milvus_metric):,} vectors")


def _export_vectors(run: "Run", folder: Path, name: str) -> None:
    from listing_vibes.serving.export import export_vectors

    with progress_bar() as progress:
        rows = export_vectors(run, folder, progress)
    for file, number in rows.items():
        typer.echo(f"{folder / file}: {number:,} vectors")


def _export_model(run: "Run", folder: Path, name: str) -> None:
    """Write the model in one format; raise a `VibesError` if its vectors differ too much from the model's."""
    _ = run.engine  # raises without a model or without torch
    from listing_vibes.serving.export import LEAST, check_export, export_run

    with progress_bar() as progress:
        files = export_run(run, folder, name, progress)
    checked = check_export(run, folder, name)
    typer.echo(
        f"Wrote {' and '.join(map(str, files))}: mean cosine of listings {checked.listing_cosine:.5f}, of histories "
        f"{checked.history_cosine:.5f}, top-30 overlap {checked.overlap:.4f}.",
        err=True,
    )
    if not checked.holds:
        raise VibesError(
            f"The export as {name} is below {LEAST} in mean cosine or top-30 overlap; use another format."
        )


NEW = "folder with Parquet or CSV files, here or on object storage (s3://...); a service's database; or a SQL query (.sql)"
New = Annotated[str | None, typer.Option(metavar="NEW", help=NEW)]
URL = "database of the SQL queries: a SQLAlchemy URL, such as postgresql+psycopg://user@host/name"
Every = Annotated[str | None, typer.Option(help="polling interval, such as 10m; default: poll once")]
Download = Annotated[bool, typer.Option("--download", help="download photos that --photos names by URL")]


@app.command(rich_help_panel=PRODUCTION)
def refresh(
    run: options.RunPath,
    events: New = None,
    listings: New = None,
    photos: New = None,
    database: Annotated[str | None, typer.Option(envvar="LISTING_VIBES_DATABASE", help=URL)] = None,
    every: Every = None,
    download: Download = False,
    strict: options.Strict = False,
    engine: options.Engine = "local",
    workers: options.Workers = None,
    json_: Annotated[bool, typer.Option("--json", help="one JSON document per poll on stdout")] = False,
) -> None:
    """Take in new events and listings without retraining, and publish the run's next version."""
    import signal
    import threading
    from dataclasses import asdict
    from datetime import datetime

    from listing_vibes.market.download.guard import Limits
    from listing_vibes.serving.refresh.polls import source_of
    from listing_vibes.serving.refresh.refresher import keep_fresh, seconds_of, status

    given = {"events": events, "listings": listings, "photos": photos}
    sources = {name: source_of(name, new, database) for name, new in given.items() if new is not None}
    if not sources:
        raise VibesError("There is no source to read; give --events NEW, --listings NEW or both.")
    interval, failed = None if every is None else seconds_of(every), list[str]()
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with use_engine(engine, workers), progress_bar() as progress:
            for result in keep_fresh(run, sources, interval, stop, Limits() if download else None, progress):
                if isinstance(result, VibesError):
                    document, line = {"error": str(result)}, f"problem: {result}"
                else:
                    document, line = asdict(result), status(result)
                    failed = result.problems if strict else result.problems[: result.unread]
                if json_:
                    typer.echo(json.dumps(document))
                else:
                    typer.echo(f"{datetime.now():%H:%M:%S} {printable(line)}", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    if interval is None and failed:
        raise VibesError(failed[0])


ALSO = "another run, a folder with anything that may name them, a table, or a service's database; repeatable"
Also = Annotated[list[str] | None, typer.Option(metavar="PLACE", help=ALSO)]
Forgotten = Annotated[list[str], typer.Argument(metavar="USER...", help="user ids")]


@app.command(rich_help_panel=PRODUCTION)
def forget(run: options.RunPath, users: Forgotten, also: Also = None) -> None:
    """Remove users from a run, its market and everything derived from them."""
    from listing_vibes.serving.forget import forget as forget_users

    done = forget_users(run, users, also or [])
    lines = [f"{rows:,} rows removed from {place}" for place, rows in done.rows.items()]
    lines += [f"removed {place}, an earlier state that had them" for place in done.versions]
    lines += [
        f"The weights of {place} hold no user's id, but were trained on their events too; "
        f"`vibes train MARKET NEW --refit {place}` trains them again without these users."
        for place in done.runs
    ]
    typer.echo(
        "\n".join(
            [*lines, done.summary, "Copies, backups and the sources of `vibes refresh` are not changed."]
        )
    )


Other = Annotated[Path | None, typer.Argument(metavar="[OTHER]", help="a second run", show_default=False)]
EVENTS = "accept events at POST /events and store them in a database: a folder, a file, or postgresql://..."
Impressions = Annotated[str | None, typer.Option(metavar="PLACE", help="record every response in a database")]
MCP = "serve an assistant on stdin and stdout instead, by the Model Context Protocol; of the options, --blend holds"
OtherBlend = Annotated[str | None, typer.Option(metavar="PARTS", help="as --blend, for the second run")]


@app.command(rich_help_panel=PRODUCTION)
def serve(
    run: options.RunPath,
    other: Other = None,
    host: Annotated[str, typer.Option(help="address to listen on; 0.0.0.0 = all interfaces")] = "127.0.0.1",
    port: options.Port = 8000,
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="worker processes")] = 1,
    blend: options.Blend = None,
    events: Annotated[str | None, typer.Option(metavar="PLACE", help=EVENTS)] = None,
    impressions: Impressions = None,
    hash_users: Annotated[bool, typer.Option("--hash-users", help="store users as keyed hashes")] = False,
    other_blend: OtherBlend = None,
    mcp: Annotated[bool, typer.Option("--mcp", help=MCP)] = False,
) -> None:
    """Serve similar, recommend and embed over HTTP, always with the newest version of the run; see /docs.

    If LISTING_VIBES_TOKEN is set, requests must carry that token. LISTING_VIBES_ALLOWED_HOSTS lists host names that are
    allowed in addition to localhost and numeric addresses.
    """
    if mcp:
        with needs("Serving an assistant", "mcp"):
            from listing_vibes.serving.mcp_server import make_server
        return make_server(run, blend).run("stdio")
    with needs("Serving", "serve"):
        from listing_vibes.serving.service.access import Access, exposure_warning
        from listing_vibes.serving.service.server import ServiceSettings
        from listing_vibes.serving.service.server import serve as run_service

    if other is None and other_blend is not None:
        raise VibesError("Option --other-blend needs two runs; give the second one, too.")

    def ready(address: str) -> None:
        runs = f"{run}" if other is None else f"{run} and {other}"
        typer.echo(f"Serving {runs} on {address} (see /docs, /health, /metrics); Ctrl-C ends it.", err=True)
        if warning := exposure_warning(host, Access.of_environment()):
            typer.echo(warning, err=True)

    settings = ServiceSettings(run, blend, events, impressions, hash_users, other, other_blend, workers)
    run_service(settings, host, port, ready)


Place = Annotated[str, typer.Argument(metavar="PLACE", help="the database of --impressions")]
Actions = Annotated[list[str] | None, typer.Option(help="actions that count; repeatable; default: all")]


@app.command(rich_help_panel=PRODUCTION)
def experiment(place: Place, action: Actions = None, json_: options.Json = False) -> None:
    """Judge an experiment: which of two served runs is better, with an interval that is valid however often you check."""
    from listing_vibes.serving.experiment import experiment as judged

    verdict = judged(place, action)
    typer.echo(json.dumps(verdict.to_dict()) if json_ else repr(verdict))


LIMITS = "thresholds that differ from the defaults"


@app.command(rich_help_panel=PRODUCTION)
def monitor(
    run: options.RunPath,
    thresholds: Annotated[Path | None, typer.Option("--thresholds", metavar="FILE.toml", help=LIMITS)] = None,
    blend: options.Blend = None,
    json_: options.Json = False,
) -> None:
    """Check whether a run is still good: recall on new events, coverage, drift; exit code 1 if a threshold is crossed."""
    from listing_vibes.serving.monitor import monitor as check_run

    with progress_bar() as progress:
        result = check_run(run, thresholds, blend=blend, progress=progress)
    typer.echo(result.model_dump_json() if json_ else result.text())
    if result.crossed:
        raise typer.Exit(1)
