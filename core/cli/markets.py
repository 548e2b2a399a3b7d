"""Commands on a market: import, check, photos."""

import json
from pathlib import Path
from typing import Annotated

import typer

from core.cli.shared import Encoder, Json, MarketPath, Strict, Weights, app, photo_vectors
from core.errors import VibesError, printable
from core.market.importers import IMPORTERS

FromSql = Annotated[
    str | None, typer.Option(metavar="SELECT", help="sql: a table's name, a query, or a .sql file with one")
]


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"one of {', '.join(IMPORTERS)}")],
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="folder with the source's files, or one of several files of events; of sql: a SQLAlchemy address",
        ),
    ],
    market: MarketPath,
    listings: FromSql = None,
    photos: FromSql = None,
    events: FromSql = None,
    photo_root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="sql: where paths of photos start")
    ] = None,
) -> None:
    """Make a market folder from files in a known format, or (sql) from the tables of a database."""
    from core.market.importers import import_market

    told = {"listings": listings, "photos": photos, "events": events, "photo_root": photo_root}
    import_market(source, path, market, **{name: one for name, one in told.items() if one is not None})
    typer.echo(f"Wrote the market {market}; look at it with `vibes check {market}`.", err=True)


@app.command()
def check(
    market: MarketPath,
    json_: Json = False,
    strict: Strict = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", help="write the rows that are not taken as they are")
    ] = None,
) -> None:
    """Profile a market on one screen and name every defect."""
    from core.market.market import Market
    from core.market.profile import profile
    from core.market.profile_text import render
    from core.market.rejects import market_rejects, write_rejects

    opened = Market.open(market)
    found = profile(opened)
    typer.echo(json.dumps(found.to_dict(), default=str) if json_ else render(found))
    if rejects is not None:
        table = market_rejects(opened)
        write_rejects(rejects, table)
        typer.echo(f"Wrote {len(table):,} rows to {rejects}.", err=True)
    if strict and found.defects:
        raise VibesError(f"{market} has {len(found.defects):,} defects, the first: {found.defects[0]}")


@app.command()
def photos(market: MarketPath, encoder: Encoder = "auto", weights: Weights = None) -> None:
    """Embed a market's photos; broken files are listed and skipped, and what is done is kept."""
    from core.market.market import Market

    opened = Market.open(market)
    if not len(opened.photos):
        raise VibesError(
            f"{market} has no photos table, so there is nothing to embed; add photos.parquet or photos.csv."
        )
    vectors = photo_vectors(opened, encoder, weights)
    assert vectors is not None
    for path, reason in vectors.broken:
        typer.echo(printable(f"skipped {path}: {reason}"), err=True)
    typer.echo(
        f"{int(vectors.ok.sum())} of {len(vectors.ok)} photos embedded by {vectors.encoder}.", err=True
    )
