"""What the commands share: the Typer app, progress, rules from a file, tables and JSON on stdout."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from listing_vibes import __version__
from listing_vibes.errors import VibesError, needs

if TYPE_CHECKING:
    from listing_vibes.features.photos.photo_vectors import PhotoVectors
    from listing_vibes.market.market import Market
    from listing_vibes.progress.bar import ProgressBar
    from listing_vibes.run.rules import Rules


#: The groups of commands in `vibes --help`, in this order; each command names its own as its help panel.
DATA, MODEL, USE, PRODUCTION = "Data", "Model", "Use", "Production"


class Commands(TyperGroup):
    """Command group whose help shows the full sentence of each command, by help panel."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group."""
        for group in (DATA, MODEL, USE, PRODUCTION):
            rows = [
                (name, (command.help or "").split("\n\n")[0])
                for name, command in self.commands.items()
                if getattr(command, "rich_help_panel", None) == group and not command.hidden
            ]
            with formatter.section(group):
                formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,  # boxes would double the time of `vibes --help`
    help="Listing Vibes: an ID-free multimodal recommender for listings, and an explorer over what it finds alike.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"vibes {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit"),
]


@app.callback()
def options(version: Version = False) -> None:
    """Take the options of `vibes` itself."""


def progress_bar() -> "ProgressBar":
    """Return the progress bar on stderr."""
    from listing_vibes.progress.bar import ProgressBar

    return ProgressBar()


def use_engine(engine: str, workers: int | None) -> AbstractContextManager[object]:
    """Return a context that embeds photos and texts with the engine of the options --engine and --workers."""
    if engine == "ray":
        from listing_vibes.cluster import on_ray

        return on_ray(workers)
    if workers is not None:
        raise VibesError("Option --workers is for --engine ray; leave it out.")
    return nullcontext()


def photo_vectors(market: "Market", encoder: str, weights: Path | None) -> "PhotoVectors | None":
    """Return the vectors of all photos, and embed those that are not cached yet; None for a market without photos."""
    if not len(market.photos):
        return None
    with needs("Embedding photos"), progress_bar() as progress:
        from listing_vibes.features.photos.encoders import market_photos

        return market_photos(market, encoder, weights, progress)


def read_rules(file: Path | None, k: int | None, where: list[str] | None = None) -> "Rules":
    """Return the rules of a JSON or TOML file; the options `k` and `where` replace the file's values.

    Raises:
        VibesError: the file cannot be read, a rule is unknown, or a value is out of range.
    """
    from listing_vibes.market.documents import read_json, read_toml, validate
    from listing_vibes.run.rules import Rules

    rules = Rules()
    if file is not None:
        if not file.is_file():
            raise VibesError(f"Option --rules is '{file}', which is not a file; give a JSON or TOML file.")
        read = read_toml if file.suffix == ".toml" else read_json
        content = read(file, "correct it by the page on rules of the docs")
        rules = validate(Rules, content, file)
    options = {"k": k, "where": tuple(where or ()) or None}
    return rules.model_copy(update={name: value for name, value in options.items() if value is not None})


def as_json(run: Any, document: dict[str, Any]) -> str:
    """Return a command's result as JSON, with a flag if the run's market changed."""
    return json.dumps(document | {"market_changed": True} if run.market_changed else document)


def show(run: Any, results: Any, as_json: bool, rules: Any) -> None:
    """Print a list, or the reason why it is empty, see `explain_empty`."""
    from listing_vibes.run.query import describe_listings, explain_empty
    from listing_vibes.words import render_table

    if as_json:
        rows = results.drop(columns="title", errors="ignore").to_dict("records")
        typer.echo(json.dumps([row | results.attrs for row in rows]))
    elif len(results):
        typer.echo(render_table(describe_listings(run, results)))
    else:
        typer.echo(explain_empty(run, rules))
