"""Commands on a market: import, check, download."""

import json
from pathlib import Path
from typing import Annotated

import typer

from listing_vibes.cli import options
from listing_vibes.cli.shared import DATA, app, progress_bar
from listing_vibes.errors import VibesError, printable
from listing_vibes.market.importers import IMPORTERS
from listing_vibes.words import count

From = Annotated[
    str | None,
    typer.Option(
        metavar="TABLE",
        help="sql: a table, a query or a .sql file; tables: a path below PATH, or a URL",
    ),
]


@app.command("import", rich_help_panel=DATA)
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"one of {', '.join(IMPORTERS)}")],
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="folder with the source's files, or one of its files of events; for sql a SQLAlchemy URL; for tables a folder, here or on "
            "object storage (s3://bucket/folder)",
        ),
    ],
    market: options.MarketPath,
    listings: From = None,
    photos: From = None,
    events: From = None,
    photo_root: Annotated[
        str | None, typer.Option(metavar="DIR", help="sql, tables: folder that photo paths start from")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace an existing market")] = False,
) -> None:
    """Write a market folder from a public data set, from object storage (tables) or from a database (sql)."""
    from listing_vibes.market.importers import import_market

    tables = {"listings": listings, "photos": photos, "events": events, "photo_root": photo_root}
    import_market(
        source,
        path,
        market,
        overwrite=overwrite,
        **{name: value for name, value in tables.items() if value is not None},
    )
    typer.echo(f"Wrote the market {market}; look at it with `vibes check {market}`.", err=True)


@app.command(rich_help_panel=DATA)
def check(
    market: options.MarketPath,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="also show what this run's model, or a model that ships, knows of the market"
        ),
    ] = None,
    json_: options.Json = False,
    strict: options.Strict = False,
    rejects: Annotated[Path | None, options.table_file("write the rows with issues")] = None,
) -> None:
    """Show a market's counts, types and split, and name every issue."""
    from listing_vibes.market.io import write_table
    from listing_vibes.market.market import Market
    from listing_vibes.market.profile import profile
    from listing_vibes.market.profile_text import render
    from listing_vibes.market.rejects import market_rejects

    opened = Market.open(market)
    result = profile(opened)
    document, text = result.to_dict(), render(result)
    if model is not None:
        from listing_vibes.insight.market_shift import measure_shift

        shift = measure_shift(opened, model)
        document, text = document | {"model": shift.model_dump(mode="json")}, f"{text}\n\n{shift.to_text()}"
    typer.echo(json.dumps(document, default=str) if json_ else text)
    if rejects is not None:
        table = market_rejects(opened)
        write_table(rejects, table)
        typer.echo(f"Wrote {len(table):,} rows to {rejects}.", err=True)
    if strict and result.defects:
        raise VibesError(
            f"{market} has {count(len(result.defects), 'defect')}, the first: {result.defects[0]}"
        )


@app.command(rich_help_panel=DATA)
def download(
    market: options.MarketPath,
    agent: Annotated[str | None, typer.Option(help="user agent, such as 'our-shop (it@example.com)'")] = None,
    ignore_robots: Annotated[
        bool, typer.Option("--ignore-robots", help="ignore robots.txt, for hosts of your own")
    ] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="allow addresses of this machine and of private networks")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="exit code 2 if a photo was not downloaded")
    ] = False,
) -> None:
    """Download the photos of a market's column `url`; an interrupted download continues."""
    from listing_vibes.market.download.job import download as fetch_photos
    from listing_vibes.market.download.limits import Limits

    agent = Limits.agent if agent is None else agent
    limits = Limits(private=allow_private, robots=not ignore_robots, agent=agent)
    with progress_bar() as progress:
        result, failures = fetch_photos(market, limits, progress)
    for reason, number in list(result.to_dict()["reasons"].items())[:20]:
        typer.echo(printable(f"{count(number, 'photo')}: {reason}"), err=True)
    typer.echo(result.text(failures), err=True)
    if strict and (result.failed or result.left):
        raise VibesError(
            f"{count(len(result.failed) + result.left, 'photo')} of {market} "
            f"{'is' if len(result.failed) + result.left == 1 else 'are'} missing; run the same command again later."
        )
