"""Commands that query a run: similar, recommend, search, launch, explain, demand, explore, report, demo."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from listing_vibes.cli import lists as options
from listing_vibes.cli.shared import (
    USE,
    Browser,
    Json,
    Port,
    RunPath,
    app,
    as_json,
    progress_bar,
    show,
)
from listing_vibes.errors import VibesError, needs


@app.command(rich_help_panel=USE)
def similar(
    run: RunPath,
    listing: Annotated[str | None, typer.Argument(metavar="LISTING", help="listing id")] = None,
    k: options.Count = None,
    where: options.Where = None,
    at_most: options.AtMost = None,
    diversity: options.Diversity = None,
    exclude: options.Exclude = None,
    rules: options.RulesFile = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="model, photos, attributes, or vectors of your own; default: the run's default space"
        ),
    ] = None,
    json_: Json = False,
    at: options.At = None,
) -> None:
    """List the listings most similar to a listing."""
    from listing_vibes.run.run import Run

    if listing is None:
        raise VibesError("Give a LISTING; for all of them at once use `vibes batch RUN OUT --kind listings`.")
    chosen = options.read_rules(rules, k=k, where=where, at_most=at_most, diversity=diversity, block=exclude)
    opened = Run.open(run, events_too=False)
    moment = options.moment_of(at, opened.market)
    default = opened.manifest.default_space if space is None else None
    space = space or opened.spaces[0]
    neighbors = opened.similar(listing, space=space, at=moment, rules=chosen)
    show(opened, neighbors, json_, chosen, moment, space=space)
    if default is not None and default.space == space:
        typer.echo(default.sentence, err=True)


@app.command(rich_help_panel=USE)
def recommend(
    run: RunPath,
    user: Annotated[str | None, typer.Argument(metavar="USER", help="user id")] = None,
    history: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON or CSV: listing_id, action?, duration_s?, oldest first"),
    ] = None,
    at: options.At = None,
    k: options.Count = None,
    where: options.Where = None,
    at_most: options.AtMost = None,
    diversity: options.Diversity = None,
    exclude: options.Exclude = None,
    rules: options.RulesFile = None,
    blend: options.Blend = None,
    json_: Json = False,
) -> None:
    """Recommend listings to a user of the market, or for a history from a file."""
    from listing_vibes.run.describe import default_blend_sentence, untrained_sentence
    from listing_vibes.run.histories import read_history
    from listing_vibes.run.run import Run

    if (user is None) == (history is None):
        raise VibesError(
            "Give a USER with events, or a history with --history FILE; for all users use `vibes batch RUN OUT`."
        )
    chosen = options.read_rules(rules, k=k, where=where, at_most=at_most, diversity=diversity, block=exclude)
    opened = Run.open(run)
    query = user if history is None else read_history(history)
    assert query is not None
    moment = options.moment_of(at, opened.market)
    recommended = opened.recommend(query, at=moment, rules=chosen, blend=blend)
    show(opened, recommended, json_, chosen, moment, for_users=True)
    if "fallback" in recommended:
        typer.echo(
            "There is no history, so these are popular and recent listings; give a history with --history FILE.",
            err=True,
        )
    elif not opened.has_model:
        typer.echo(untrained_sentence(opened), err=True)
    elif (
        (sentence := default_blend_sentence(opened.manifest.settings).strip())
        and blend is None
        and len(recommended)
    ):
        typer.echo(f"{sentence} --blend nothing leaves it out.", err=True)


@app.command(rich_help_panel=USE)
def search(
    run: RunPath,
    words: Annotated[
        str, typer.Argument(metavar="WORDS", help="what the photo shows, such as 'canopy bed'")
    ] = "",
    photo: Annotated[
        Path | None, typer.Option(metavar="FILE", help="a photo to compare with, instead of words")
    ] = None,
    k: options.Count = None,
    where: options.Where = None,
    exclude: options.Exclude = None,
    rules: options.RulesFile = None,
    json_: Json = False,
    at: options.At = None,
) -> None:
    """List the listings whose photos are nearest to a description (approximate), or to another photo."""
    from listing_vibes.insight.search.search import search_photos
    from listing_vibes.run.run import Run

    chosen = options.read_rules(rules, k=k, where=where, block=exclude)
    opened = Run.open(run, events_too=False)
    with progress_bar() as progress:
        moment = options.moment_of(at, opened.market)
        listings = search_photos(opened, words, None, moment, chosen, progress, photo=photo)
    show(opened, listings, json_, chosen, moment)


@app.command(rich_help_panel=USE)
def launch(
    run: RunPath,
    listing: Annotated[
        str,
        typer.Argument(
            metavar="LISTING|DRAFT.json",
            help="a listing id, or a draft: values by attribute, photos, like (a listing to start from)",
        ),
    ],
    json_: Json = False,
) -> None:
    """Predict who would get a listing if it were launched now, and which single change would reach more users."""
    from listing_vibes.insight.launch.launch import Crowd, draft_named
    from listing_vibes.insight.launch.launch import launch as launched
    from listing_vibes.run.run import Run

    opened = Run.open(run)
    draft = draft_named(opened, listing)
    with progress_bar() as progress:
        result = launched(opened, draft, crowd=Crowd.of(opened, report=progress))
    typer.echo(as_json(opened, result.to_dict()) if json_ else result.to_text(opened))


@app.command(rich_help_panel=USE)
def explain(
    run: RunPath,
    names: Annotated[
        list[str],
        typer.Argument(metavar="[QUERY] LISTING", help="a user or a listing, and the recommended listing"),
    ],
    history: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="instead of QUERY; JSON or CSV: listing_id, action?, duration_s?"),
    ] = None,
    at: options.At = None,
    blend: options.Blend = None,
    space: Annotated[
        str | None,
        typer.Option(help="for two listings: model, photos or attributes; default: the run's default space"),
    ] = None,
    json_: Json = False,
) -> None:
    """Explain a recommendation: the events, attributes and photos that carry it, and its rank without each."""
    from listing_vibes.insight.explain.explain import explain_listing
    from listing_vibes.run.histories import read_history
    from listing_vibes.run.run import Run

    if len(names) != (2 if history is None else 1):
        raise VibesError("Give a QUERY (a user or a listing) and a LISTING, or --history FILE and a LISTING.")
    opened = Run.open(run)
    query = names[0] if history is None else read_history(history)
    moment = options.moment_of(at, opened.market)
    explanation = explain_listing(opened, query, names[-1], moment, blend, space=space)
    typer.echo(as_json(opened, explanation.to_dict()) if json_ else explanation.to_text())


@app.command(rich_help_panel=USE)
def demand(
    run: RunPath,
    at: options.At = None,
    by: Annotated[Literal["month"] | None, typer.Option(help="month = at the end of every month")] = None,
    space: Annotated[
        str | None, typer.Option(help="space of the regions: model, photos (default) or attributes")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="OUT.parquet|OUT.csv", help="write one row a region and time"),
    ] = None,
    json_: Json = False,
) -> None:
    """Find unmet demand: regions with significantly more users per active listing than the market."""
    from listing_vibes.insight.demand.demand import demand as find_demand
    from listing_vibes.market.io import check_table_name, write_table
    from listing_vibes.run.run import Run

    check_table_name(out, "--out")
    opened = Run.open(run)
    moment = options.moment_of(at, opened.market)
    with progress_bar() as progress:
        result = find_demand(opened, moment, by, space, report=progress)
    if out is not None:
        write_table(out, result.frame())
    typer.echo(as_json(opened, result.to_dict()) if json_ else repr(result))


@app.command(rich_help_panel=USE)
def explore(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...")], port: Port = 0, browser: Browser = True
) -> None:
    """Open the explorer on one or several runs."""
    from listing_vibes.run.run import Run

    for run in runs:
        Run.open(run)
    _explore(runs, port, browser)


@app.command(rich_help_panel=USE)
def report(
    run: RunPath,
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="file to write")],
    pins: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="pinned views saved in the explorer; each becomes a section"),
    ] = None,
) -> None:
    """Write one self-contained HTML page for stakeholders: figures, photos, the method, its limits."""
    from listing_vibes.report.page import write_report
    from listing_vibes.report.pins import read_pins
    from listing_vibes.run.run import Run

    pinned = [] if pins is None else read_pins(pins)
    write_report(Run.open(run), out, pinned)
    typer.echo(f"Wrote {out}; open it in a browser, or print it from there.", err=True)


@app.command(rich_help_panel=USE)
def demo(port: Port = 0, browser: Browser = True) -> None:
    """Open the explorer on a simulated market of homes, with rendered photos and a trained model."""
    from listing_vibes.demo.shipped import bundled_runs

    _explore(bundled_runs(), port, browser)


def _explore(runs: list[Path], port: int, browser: bool) -> None:
    import subprocess

    with needs("The explorer", "app"):
        from listing_vibes_app.server.launch import command
    arguments = command([run.resolve() for run in runs], port or None, browser)
    if os.name == "posix":  # the server replaces this process, so that a signal to one ends both
        os.execv(arguments[0], arguments)
    try:
        raise typer.Exit(subprocess.call(arguments))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
