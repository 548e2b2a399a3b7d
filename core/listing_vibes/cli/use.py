"""Commands that query a run: similar, recommend, launch, explain, demand, explore, report, demo."""

import os
from pathlib import Path
from typing import Annotated

import typer

from listing_vibes.cli import options
from listing_vibes.cli.shared import USE, app, as_json, progress_bar, read_rules, show
from listing_vibes.errors import VibesError, needs

SPACE = "model, photos, attributes, or vectors of your own; default: the run's default space"
Space = Annotated[str | None, typer.Option(help=SPACE)]
TEXT = "instead of a listing: what the photos show, such as 'canopy bed' (approximate)"
PHOTO = "instead of a listing: a photo to compare with"


@app.command(rich_help_panel=USE)
def similar(
    run: options.RunPath,
    listing: Annotated[str | None, typer.Argument(metavar="LISTING", help="listing id")] = None,
    text: Annotated[str | None, typer.Option(metavar="WORDS", help=TEXT)] = None,
    photo: Annotated[Path | None, typer.Option(metavar="FILE", help=PHOTO)] = None,
    k: options.Count = None,
    where: options.Where = None,
    rules: options.RulesFile = None,
    space: Space = None,
    json_: options.Json = False,
    at: options.At = None,
) -> None:
    """List the listings most similar to a listing, or those whose photos are nearest to a description or a photo."""
    from listing_vibes.run.run import Run

    if sum(query is not None for query in (listing, text, photo)) != 1:
        raise VibesError("Give one of: a LISTING, --text WORDS, --photo FILE.")
    chosen, opened = read_rules(rules, k, where), Run.open(run)
    if listing is not None:
        result = opened.similar(listing, space=space, at=at, rules=chosen)
    else:
        from listing_vibes.insight.photo_search import search_photos

        if space not in (None, "photos"):
            raise VibesError(
                f"Option --space is '{space}', but --text and --photo compare photos; leave it out."
            )
        with progress_bar() as progress:
            result = search_photos(opened, text or "", None, at, chosen, progress, photo=photo)
    show(opened, result, json_, chosen)
    if listing is not None and space is None and opened.manifest.default_space is not None:
        typer.echo(opened.manifest.default_space.sentence, err=True)


@app.command(rich_help_panel=USE)
def recommend(
    run: options.RunPath,
    user: Annotated[str | None, typer.Argument(metavar="USER", help="user id")] = None,
    history: options.HistoryFile = None,
    at: options.At = None,
    k: options.Count = None,
    where: options.Where = None,
    rules: options.RulesFile = None,
    blend: options.Blend = None,
    json_: options.Json = False,
) -> None:
    """Recommend listings to a user of the market, or for a history from a file."""
    from listing_vibes.run.histories import read_history
    from listing_vibes.run.query import list_sentence
    from listing_vibes.run.run import Run

    if (user is None) == (history is None):
        raise VibesError(
            "Give a USER with events, or a history with --history FILE; for all users use `vibes batch RUN OUT`."
        )
    chosen, opened = read_rules(rules, k, where), Run.open(run)
    query = user if history is None else read_history(history)
    recommended = opened.recommend(query, at=at, rules=chosen, blend=blend)
    show(opened, recommended, json_, chosen)
    if sentence := list_sentence(opened, recommended, blend):
        typer.echo(sentence, err=True)


DRAFT = "a listing id, or a draft: values by attribute, photos, like (a listing to start from)"
Launched = Annotated[str, typer.Argument(metavar="LISTING|DRAFT.json", help=DRAFT)]


@app.command(rich_help_panel=USE)
def launch(run: options.RunPath, listing: Launched, json_: options.Json = False) -> None:
    """Predict who would get a listing if it were launched now, and which single change would reach more users."""
    from listing_vibes.insight.audience import Crowd
    from listing_vibes.insight.launch import draft_named
    from listing_vibes.insight.launch import launch as launched
    from listing_vibes.run.run import Run

    opened = Run.open(run)
    draft = draft_named(opened, listing)
    with progress_bar() as progress:
        result = launched(opened, draft, crowd=Crowd.of(opened, report=progress))
    typer.echo(as_json(opened, result.to_dict()) if json_ else result.to_text(opened))


NAMES = "a user or a listing, and the recommended listing"


@app.command(rich_help_panel=USE)
def explain(
    run: options.RunPath,
    names: Annotated[list[str], typer.Argument(metavar="[QUERY] LISTING", help=NAMES)],
    history: options.HistoryFile = None,
    at: options.At = None,
    blend: options.Blend = None,
    space: Space = None,
    json_: options.Json = False,
) -> None:
    """Explain a recommendation: the events, attributes and photos that carry it, and its rank without each."""
    from listing_vibes.insight.explain import explain_listing
    from listing_vibes.run.histories import read_history
    from listing_vibes.run.run import Run

    if len(names) != (2 if history is None else 1):
        raise VibesError("Give a QUERY (a user or a listing) and a LISTING, or --history FILE and a LISTING.")
    opened = Run.open(run)
    query = names[0] if history is None else read_history(history)
    explanation = explain_listing(opened, query, names[-1], at, blend, space=space)
    typer.echo(as_json(opened, explanation.to_dict()) if json_ else explanation.to_text())


@app.command(rich_help_panel=USE)
def demand(
    run: options.RunPath,
    at: options.At = None,
    out: Annotated[Path | None, options.table_file("write one row per region")] = None,
    json_: options.Json = False,
) -> None:
    """Find unmet demand: regions with significantly more users per active listing than the market."""
    from listing_vibes.insight.demand import demand as find_demand
    from listing_vibes.market.io import write_table
    from listing_vibes.run.run import Run

    opened = Run.open(run)
    with progress_bar() as progress:
        result = find_demand(opened, at, report=progress)
    if out is not None:
        write_table(out, result.frame())
    typer.echo(as_json(opened, result.to_dict()) if json_ else repr(result))


Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders; the first is shown first")]


@app.command(rich_help_panel=USE)
def explore(runs: Runs, port: options.Port = 0, browser: options.Browser = True) -> None:
    """Open the explorer on one or several runs."""
    from listing_vibes.run.run import Run

    for run in runs:
        Run.open(run)
    _explore(runs, port, browser)


Out = Annotated[Path, typer.Argument(metavar="OUT.html", help="file to write")]
Deck = Annotated[
    Path | None,
    typer.Option(metavar="DECK.html", help="a deck saved in the explorer; default: the standard deck"),
]


@app.command(rich_help_panel=USE)
def report(run: options.RunPath, out: Out, deck: Deck = None) -> None:
    """Write a deck for stakeholders (photos, evidence, method, limits) as one HTML file, to show without a server or to print."""
    from listing_vibes.report.deck import read_deck, write_deck
    from listing_vibes.run.run import Run

    slides = None if deck is None else read_deck(deck)
    with progress_bar() as progress:
        write_deck(Run.open(run), out, slides, progress)
    typer.echo(f"Wrote {out}; open it in a browser, or print it from there.", err=True)


@app.command(rich_help_panel=USE)
def demo(port: options.Port = 0, browser: options.Browser = True) -> None:
    """Open the explorer on a simulated market of homes, with rendered photos and a trained model."""
    from listing_vibes.demo.shipped import bundled_runs

    _explore(bundled_runs(), port, browser)


def _explore(runs: list[Path], port: int, browser: bool) -> None:
    import subprocess

    with needs("The explorer", "app"):
        from listing_vibes_app.server.command_line import command
    arguments = command(runs, port or None, browser)
    if os.name == "posix":  # the server replaces this process, so that a signal to one ends both
        os.execv(arguments[0], arguments)
    try:
        raise typer.Exit(subprocess.call(arguments))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
