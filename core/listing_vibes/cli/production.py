"""Commands that run beside a marketplace: refresh, forget, serve, experiment, monitor."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from listing_vibes.cli import lists as options
from listing_vibes.cli.shared import PRODUCTION, Count, Json, RunPath, Strict, app, progress_bar
from listing_vibes.defaults import K
from listing_vibes.errors import VibesError, needs, printable

if TYPE_CHECKING:
    from listing_vibes.serving.refresh.refresher import RefreshResult

New = Annotated[
    str | None,
    typer.Option(
        metavar="NEW",
        help="folder that grows with parquet or CSV files, here or on object storage (s3://...), or a SQL query (or .sql file)",
    ),
]


@app.command(rich_help_panel=PRODUCTION)
def refresh(
    run: RunPath,
    events: New = None,
    listings: New = None,
    photos: New = None,
    database: Annotated[
        str | None,
        typer.Option(
            envvar="LISTING_VIBES_DATABASE",
            help="where queries are asked: a SQLAlchemy address, for example postgresql+psycopg://user@host/name",
        ),
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="time between two polls, such as 10m; default: poll once")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Milvus that follows with what is active: a .db file (Milvus Lite) or a server's address",
        ),
    ] = None,
    k: Count = K,
    blend: options.Blend = None,
    download: Annotated[
        bool, typer.Option("--download", help="fetch photos that --photos names by their addresses")
    ] = False,
    strict: Strict = False,
    json_: Annotated[
        bool, typer.Option("--json", help="one JSON document a poll on stdout, nothing else")
    ] = False,
) -> None:
    """Take in new events and listings without retraining, and publish the run's next generation."""
    import signal
    import threading
    from dataclasses import asdict
    from datetime import datetime

    from listing_vibes.market.download.limits import Limits
    from listing_vibes.serving.refresh.loop import keep_fresh, seconds_of, status
    from listing_vibes.serving.refresh.milvus import MilvusFollower
    from listing_vibes.serving.refresh.sources import source_of

    given = {"events": events, "listings": listings, "photos": photos}
    sources = {name: source_of(name, new, database) for name, new in given.items() if new is not None}
    if not sources:
        raise VibesError("Nothing to read; give --events NEW, --listings NEW or both.")
    interval = None if every is None else seconds_of(every)
    follow = MilvusFollower(store).follow if store is not None else lambda run: None
    failed: list[str] = []
    stop = threading.Event()

    def report(result: "RefreshResult | VibesError") -> None:
        if isinstance(result, VibesError):
            document, line = {"error": str(result)}, f"problem: {result}"
        else:
            document, line = asdict(result), status(result)
            failed[:] = result.problems if strict else result.problems[: result.unread]
        if json_:
            typer.echo(json.dumps(document))
        else:
            typer.echo(f"{datetime.now():%H:%M:%S} {printable(line)}", err=True)

    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        keep_fresh(run, sources, interval, stop, report, k, follow, blend, Limits() if download else None)
    finally:
        signal.signal(signal.SIGTERM, before)
    if interval is None and failed:
        raise VibesError(failed[0])


@app.command(rich_help_panel=PRODUCTION)
def forget(
    run: RunPath,
    users: Annotated[list[str], typer.Argument(metavar="USER...", help="user ids")],
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="another run, a folder of lists, a table, or the --events and --impressions of a service; may be given several times",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Remove users from a run, its market and what was made of them, and say what stays in the weights."""
    from dataclasses import asdict

    from listing_vibes.serving.forget.forget import forget as forget_users

    done = forget_users(run, users, also or [])
    if json_:
        typer.echo(json.dumps(asdict(done)))
        return
    for place, rows in done.rows.items():
        typer.echo(f"{rows:,} rows removed from {place}")
    for place in done.generations:
        typer.echo(f"removed {place}, an earlier state that had them")
    for place in done.runs:
        typer.echo(
            f"The weights of {place} hold no user's id, but were trained on their events too; "
            f"`vibes train MARKET NEW --refit {place}` trains the same anew without them."
        )
    typer.echo(
        "Copies, backups and what `vibes refresh` reads are not touched: what those deliver again comes back."
    )


@app.command(rich_help_panel=PRODUCTION)
def serve(
    run: RunPath,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="[OTHER]", help="a second run, to be tried against the first", show_default=False
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="address to listen on; 0.0.0.0 = all of this machine")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 = any free port")] = 8000,
    connections: Annotated[
        int, typer.Option(min=1, max=100_000, help="connections held at the same time, at most")
    ] = 1024,
    workers: Annotated[
        int,
        typer.Option(min=1, max=256, help="processes that answer; --connections holds for each"),
    ] = 1,
    blend: options.Blend = None,
    events: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="take events at POST /events and keep them in a database, which `vibes refresh --events` reads: a folder or file "
            "of this machine, or postgresql://...",
        ),
    ] = None,
    impressions: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="record every answer in a database likewise, with a request id"),
    ] = None,
    hash_users: Annotated[
        bool, typer.Option("--hash-users", help="users in --impressions as keyed hashes")
    ] = False,
    interleave: Annotated[
        bool,
        typer.Option("--interleave", help="every list is drafted from both runs; see `vibes experiment`"),
    ] = False,
    split: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="this share of the users gets the second run, always"),
    ] = None,
    other_blend: Annotated[
        str | None, typer.Option("--other-blend", metavar="ADDED", help="as --blend, for the second run")
    ] = None,
) -> None:
    """Answer similar, recommend and embed over HTTP, with the newest state of the run; /docs tells how.

    LISTING_VIBES_TOKEN is a token that requests must carry, LISTING_VIBES_ALLOWED_HOSTS the names they may ask for, beside
    localhost and addresses in figures.
    """
    with needs("Serving", "serve"):
        from listing_vibes.serving.service.access import Access, exposure_warning
        from listing_vibes.serving.service.server import ServiceSettings
        from listing_vibes.serving.service.server import serve as run_service

    if other is not None and interleave == (split is not None):
        raise VibesError(
            "Two runs are served either with --interleave or with --split SHARE; give one of these."
        )
    if other is None and (interleave or split is not None or other_blend is not None):
        raise VibesError(
            "Options --interleave, --split and --other-blend are about two runs; give the second one, too."
        )

    def ready(address: str) -> None:
        typer.echo(
            f"Serving {run}{'' if other is None else f' and {other}'} on {address} (see /docs, /health, /metrics); Ctrl-C ends it.",
            err=True,
        )
        if warning := exposure_warning(host, Access.of_environment()):
            typer.echo(warning, err=True)

    settings = ServiceSettings(
        run, blend, events, impressions, hash_users, other, other_blend, split, connections, workers
    )
    run_service(settings, host, port, ready)


@app.command(rich_help_panel=PRODUCTION)
def experiment(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="that of --impressions")],
    events: Annotated[
        str | None, typer.Option(metavar="PLACE", help="that of --events; default: as the services had it")
    ] = None,
    action: Annotated[
        list[str] | None, typer.Option(help="events that count; may be given several times; default: all")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="also write a page, with photos of what was lost"),
    ] = None,
    json_: Json = False,
) -> None:
    """Say which of two runs is better, by what `vibes serve A B` showed and what users did; look as often as you like."""
    from listing_vibes.serving.experiment.verdict import experiment as judged

    found = judged(place, events, action)
    if html is not None:
        from listing_vibes.report.trial import write_experiment

        write_experiment(found, html)
    typer.echo(json.dumps(found.to_dict()) if json_ else repr(found))


@app.command(rich_help_panel=PRODUCTION)
def monitor(
    run: RunPath,
    thresholds: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="thresholds that differ from the default ones")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="where the newest events begin; default: after the evaluation"),
    ] = None,
    blend: options.Blend = None,
    memo: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write a memo in sentences, .md or .html, each linked to its queries"
        ),
    ] = None,
    prometheus: Annotated[
        Path | None, typer.Option(metavar="FILE.prom", help="write the figures for a textfile collector")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(metavar="OUT.parquet|OUT.csv", help="write one row a query of the newest events"),
    ] = None,
    json_: Json = False,
) -> None:
    """Say whether a run is still good: recall on the newest events, coverage, drift, age; exit code 1 where it may not be."""
    from listing_vibes.market.io import check_table_name, write_table
    from listing_vibes.serving.monitor.checks import Thresholds
    from listing_vibes.serving.monitor.monitor import check_run, no_queries, write_evidence

    check_table_name(queries, "--queries")
    limits = Thresholds.of(thresholds)
    if memo is not None and memo.suffix not in (".md", ".html"):
        raise VibesError(f"Option --memo is '{memo}'; name a file that ends in .md or .html.")
    with progress_bar() as progress:
        found, asked = check_run(run, limits, None, since, blend, progress=progress)
    if memo is not None:
        from listing_vibes.report.memo import evidence_folder, write_memo
        from listing_vibes.run.run import Run

        folder = evidence_folder(memo)
        write_memo(found, memo, write_evidence(found, asked, Run.open(run), folder))
    if prometheus is not None:
        from listing_vibes.market.documents import write_text

        with needs("Option --prometheus", "serve"):
            from listing_vibes.serving.monitor.prometheus import exposition
        write_text(prometheus, exposition(found))
    if queries is not None:
        from listing_vibes.run.run import Run

        opened = Run.open(run)
        write_table(
            queries,
            no_queries(opened) if asked is None else asked.queries_frame(opened.market, asked.names[0]),
        )
    typer.echo(found.model_dump_json() if json_ else found.text())
    if found.crossed:
        raise typer.Exit(1)
