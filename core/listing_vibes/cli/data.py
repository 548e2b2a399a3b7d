"""Commands on a market: import, check, download."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from listing_vibes.cli import options
from listing_vibes.cli.shared import DATA, app, progress_bar
from listing_vibes.errors import VibesError, printable
from listing_vibes.market.importers import IMPORTERS
from listing_vibes.words import count

SOURCES = f"one of {', '.join(IMPORTERS)}"
PATH = "folder or file of the source; for sql a SQLAlchemy URL; for tables a folder, here or on object storage (s3://...)"
TABLE = "sql: a table, a query or a .sql file; tables: a path below PATH, or a URL"
Table = Annotated[str | None, typer.Option(metavar="TABLE", help=TABLE)]
PHOTO_ROOT = "sql, tables: folder that photo paths start from"


@app.command("import", rich_help_panel=DATA)
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCES)],
    path: Annotated[str, typer.Argument(metavar="PATH", help=PATH)],
    market: options.MarketPath,
    listings: Table = None,
    photos: Table = None,
    events: Table = None,
    photo_root: Annotated[str | None, typer.Option(metavar="DIR", help=PHOTO_ROOT)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace an existing market")] = False,
) -> None:
    """Write a market folder from a public data set, from object storage (tables) or from a database (sql)."""
    from listing_vibes.market.importers import import_market

    tables = {"listings": listings, "photos": photos, "events": events, "photo_root": photo_root}
    given = {name: value for name, value in tables.items() if value is not None}
    import_market(source, path, market, overwrite=overwrite, **given)
    typer.echo(f"Wrote the market {market}; look at it with `vibes check {market}`.", err=True)


CHECK_MODEL = "also show how much of the market the model of this run, or an included model, covers"


@app.command(rich_help_panel=DATA)
def check(
    market: options.MarketPath,
    model: Annotated[Path | None, typer.Option(metavar="RUN", help=CHECK_MODEL)] = None,
    json_: options.Json = False,
    strict: options.Strict = False,
) -> None:
    """Show a market's counts, types and split, and name every issue."""
    from listing_vibes.market.market import Market
    from listing_vibes.market.profile import profile, render

    opened = Market.open(market)
    with progress_bar() as progress:
        result = profile(opened, report=progress)
    document, text = result.to_dict(), render(result)
    if model is not None:
        from listing_vibes.insight.market_shift import measure_shift

        shift = measure_shift(opened, model)
        document, text = document | {"model": shift.model_dump(mode="json")}, f"{text}\n\n{shift.to_text()}"
    typer.echo(json.dumps(document, default=str) if json_ else text)
    if strict and result.issues:
        raise VibesError(f"{market} has {count(len(result.issues), 'issue')}, the first: {result.issues[0]}")


IgnoreRobots = Annotated[bool, typer.Option("--ignore-robots", help="ignore robots.txt of hosts of your own")]
PRIVATE = "allow addresses of this machine and of private networks"


@app.command(rich_help_panel=DATA)
def download(
    market: options.MarketPath,
    agent: Annotated[str | None, typer.Option(help="user agent, such as 'our-shop (it@example.com)'")] = None,
    ignore_robots: IgnoreRobots = False,
    allow_private: Annotated[bool, typer.Option("--allow-private", help=PRIVATE)] = False,
    strict: options.Strict = False,
) -> None:
    """Download the photos of a market's column `url`; an interrupted download continues."""
    from listing_vibes.market.download.job import download as fetch_photos

    limits = {"private": allow_private, "robots": not ignore_robots} | (
        {} if agent is None else {"agent": agent}
    )
    with progress_bar() as progress:
        result, failures = fetch_photos(market, limits, progress)
    for reason, number in Counter(result.failed.values()).most_common(20):
        typer.echo(printable(f"{count(number, 'photo')}: {reason}"), err=True)
    typer.echo(result.text(failures), err=True)
    if strict and (missing := len(result.failed) + result.left):
        raise VibesError(f"{market} lacks {count(missing, 'photo')}; run the same command again later.")
