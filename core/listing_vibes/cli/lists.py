"""Options shared by all commands with lists, and their conversion to rules."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listing_vibes.errors import VibesError
from listing_vibes.run.rules import Rules

if TYPE_CHECKING:
    from listing_vibes.market.market import Market


def _help(rule: str) -> str:
    return Rules.model_fields[rule].description or ""


At = Annotated[str | None, typer.Option(help="time (UTC), now, or a position; default: after the last event")]
Blend = Annotated[
    str | None,
    typer.Option(
        "--blend",
        metavar="PARTS",
        help="what is blended into the model: recency, neighbors, ids, joined by +, or nothing; default: the default ranking",
    ),
]
Count = Annotated[int | None, typer.Option("--k", "-k", min=1, help="how many listings; default: 30")]
Where = Annotated[list[str] | None, typer.Option(metavar="CONDITION", help=_help("where"))]
AtMost = Annotated[tuple[int, str] | None, typer.Option(metavar="N ATTRIBUTE", help=_help("at_most"))]
Diversity = Annotated[float | None, typer.Option(metavar="WEIGHT", help=_help("diversity"))]
Exclude = Annotated[list[str] | None, typer.Option(metavar="LISTING", help=_help("block"))]
RulesFile = Annotated[
    Path | None,
    typer.Option("--rules", metavar="FILE", help="JSON or TOML with any of the rules, e.g. pin, boost, same"),
]


def moment_of(at: str | None, market: "Market") -> int | None:
    """Return the moment that --at names, in the time of the market's log."""
    from listing_vibes.market.moments import moment_in_log

    return None if at is None else moment_in_log(at, market.timed, "Option --at")


def read_rules(file: Path | None, **options: Any) -> Rules:
    """Return the rules of a file; an option replaces the file's value.

    Args:
        file: JSON or TOML with the keys of `Rules`.
        options: by the name of the rule; None or empty where the option was not given.

    Raises:
        VibesError: the file cannot be read, a rule is unknown, or a value is out of range.
    """
    from listing_vibes.market.documents import read_json, read_toml

    given: dict[str, Any] = {}
    if file is not None:
        if not file.is_file():
            raise VibesError(f"Option --rules is '{file}', which is not a file; give a JSON or TOML file.")
        correct = "correct it by the page on rules of the docs"
        content = read_toml(file, correct) if file.suffix == ".toml" else read_json(file, correct)
        if not isinstance(content, dict):
            raise VibesError(f'{file} has no rules; write for example {{"where": ["price<=900"]}}.')
        try:
            given |= Rules.of(content).model_dump(by_alias=True, exclude_unset=True)
        except VibesError as error:
            raise VibesError(f"{file}: {error}") from error
    if options.get("at_most"):
        options["at_most"], options["seller"] = options["at_most"]
    return Rules.of(given | {name: value for name, value in options.items() if value not in (None, [])})
