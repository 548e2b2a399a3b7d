"""What the commands share: the Typer app, common arguments, photos' vectors, tables and JSON on stdout."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from listing_vibes import __version__
from listing_vibes.cli.renamed import check_names
from listing_vibes.errors import needs

if TYPE_CHECKING:
    from listing_vibes.features.photos.vectors import PhotoVectors
    from listing_vibes.market.market import Market
    from listing_vibes.progress.bar import ProgressBar


#: The groups of commands in `vibes --help`, in this order; each command names its own as its help panel.
DATA, MODEL, USE, PRODUCTION = "Data", "Model", "Use", "Production"


class Commands(TyperGroup):
    """Command group whose help shows the full sentence of each command, by help panel."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name.

        Raises:
            VibesError: the command was renamed.
        """
        check_names(args)
        return super().resolve_command(ctx, args)

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


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit"),
    ] = False,
) -> None:
    """Take the options of `vibes` itself."""


MarketPath = Annotated[
    Path, typer.Argument(metavar="MARKET", help="folder with the three tables and the photos")
]
#: The choices of `listing_vibes.market.splits.Protocol` and `listing_vibes.model.config.PRESETS`, which would load numpy.
Protocol = Literal["temporal", "leave-one-out"]
Baselines = Literal["all", "fast", "none"]
Preset = Literal["tiny", "mini", "small", "base", "large"]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="run folder")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Strict = Annotated[bool, typer.Option("--strict", help="exit code 2 if there is any issue")]
Count = Annotated[int, typer.Option("--k", "-k", min=1, help="how many listings")]
Encoder = Annotated[
    str,
    typer.Option(
        "--encoder", help="photo encoder: a timm name, vae, or several as a+b; auto = the best available"
    ),
]
Weights = Annotated[Path | None, typer.Option("--weights", help="file with the photo encoder's weights")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 = any free port")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser window")]


def progress_bar() -> "ProgressBar":
    """Return the progress bar on stderr."""
    from listing_vibes.progress.bar import ProgressBar  # rich takes a while to load

    return ProgressBar()


def photo_vectors(market: "Market", encoder: str, weights: Path | None) -> "PhotoVectors | None":
    """Return the vectors of all photos, and embed those that are not cached yet; None for a market without photos."""
    if not len(market.photos):
        return None
    with needs("Embedding photos"):
        from listing_vibes.features.photos.market_photos import market_photos
    with progress_bar() as progress:
        return market_photos(market, encoder, weights, progress)


def as_json(run: Any, document: dict[str, Any]) -> str:
    """Return a command's result as JSON, with a flag if the run's market changed."""
    return json.dumps(document | {"market_changed": True} if run.market_changed else document)


def show(
    run: Any,
    results: Any,
    as_json: bool,
    rules: Any,
    at: Any,
    for_users: bool = False,
    space: str | None = None,
) -> None:
    """Print a list, or the reason why it is empty, see `listing_vibes.run.empty_lists`."""
    from listing_vibes.run.describe import describe_listings, table
    from listing_vibes.run.empty_lists import explain_empty

    if as_json:
        rows = results.drop(columns="title", errors="ignore").to_dict("records")
        typer.echo(json.dumps([row | results.attrs for row in rows]))
    elif len(results):
        typer.echo(table(describe_listings(run, results)))
    else:
        typer.echo(explain_empty(run, rules, at, for_users, space))
