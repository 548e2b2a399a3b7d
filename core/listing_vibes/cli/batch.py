"""Options of the commands that make lists, and the command `batch`."""

import json
import time
from collections.abc import Callable, Collection
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from listing_vibes.cli.shared import PRODUCTION, Count, Json, RunPath, app, progress_bar
from listing_vibes.cores import cores
from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.run.rules import Declared, Rules, declared
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.market.market import Market
    from listing_vibes.serving.batch.job import Kind

At = Annotated[
    str | None, typer.Option(help="moment (UTC), now, or a position; default: after the last event")
]
Blend = Annotated[
    str | None,
    typer.Option(
        "--blend",
        metavar="PARTS",
        help="add to the model: recency, neighbours, ids, joined by +, weighed as `vibes evaluate` fitted it; nothing: the model "
        "alone, also where lists add something unasked",
    ),
]
CHUNK = 2048


def moment_of(at: str | None, market: "Market") -> int | None:
    """The moment that --at says, in the time of the market's log."""
    from listing_vibes.market.moments import moment_in_log

    return None if at is None else moment_in_log(at, market.timed, "Option --at")


def with_rules(
    only: Collection[str] = (), without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of rules in the place of its parameter `rules`.

    Args:
        only: the rules that are options; empty: all of them, but those `without`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shown = [
            rule
            for rule in declared()
            if (not only or rule.field in only)
            and rule.field not in (*without, "seller")  # which is part of `at_most`
        ]
        options = [Parameter("k", Parameter.KEYWORD_ONLY, default=K, annotation=Count)]
        options += [
            Parameter(
                rule.field,
                Parameter.KEYWORD_ONLY,
                default=None if rule.is_texts else rule.default,
                annotation=_option(rule),
            )
            for rule in shown
        ]
        before = list(signature(command).parameters.values())
        place = [parameter.name for parameter in before].index("rules")
        parameters = [
            parameter.replace(kind=Parameter.KEYWORD_ONLY)
            for parameter in (*before[:place], *options, *before[place + 1 :])
        ]

        @wraps(command)
        def run(**given: Any) -> None:
            rules = {option.name: given.pop(option.name) for option in options}
            command(**given, rules=_rules_of(rules))

        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _option(rule: Declared) -> Any:
    """Return the annotation of a rule's option."""
    kind: Any = type(rule.default) if rule.written.flags == "" else bool | None
    if rule.is_texts:
        kind = list[str] | None
    elif rule.field == "at_most":
        kind = tuple[int, str] | None
    least = 0 if kind is float else None
    return Annotated[
        kind,
        typer.Option(rule.option, metavar=rule.written.metavar or None, help=rule.description, min=least),
    ]


def _rules_of(given: dict[str, Any]) -> Rules:
    """Return the rules that options give.

    Raises:
        VibesError: a value is out of range.
    """
    if given.get("at_most"):
        given["at_most"], given["seller"] = given["at_most"]
    return Rules.of({name: value for name, value in given.items() if value is not None})


@app.command(rich_help_panel=PRODUCTION)
@with_rules()
def batch(
    run: RunPath,
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="folder for the files, here (the same command again goes on there) or on object storage (s3://...)",
        ),
    ],
    kind: Annotated[
        Literal["users", "listings"],
        typer.Option(help="users = recommendations for every user; listings = neighbors of every listing"),
    ] = "users",
    *,
    rules: Rules,
    space: Annotated[
        str | None, typer.Option(help="with --kind listings: model, photos or attributes")
    ] = None,
    blend: Blend = None,
    at: At = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="local (threads) or ray (processes, a cluster by RAY_ADDRESS)"),
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="how many at a time; default: one a core")
    ] = None,
    chunk: Annotated[int, typer.Option(min=1, help="listings or users a file")] = CHUNK,
    json_: Json = False,
) -> None:
    """Write the lists of all users, or the neighbors of all listings, as Parquet files."""
    from listing_vibes.market.storage import is_address, shown

    users = kind == "users"
    others = {"space": space} if users else {"blend": blend, "drop-seen": rules.drop_seen}
    for name, value in others.items():
        if value is not None:
            raise VibesError(f"Option --{name} is not for --kind {kind}; leave it out.")
    started = time.monotonic()
    files, made = _write_lists(
        "recommend" if users else "similar", run, out, rules, at, space, engine, workers, chunk, blend
    )
    seconds = time.monotonic() - started
    place = shown(out) if is_address(out) else out
    told = {"out": place, "files": files, "lists": made, "seconds": round(seconds, 2)}
    if json_:
        typer.echo(json.dumps(told))
    else:
        typer.echo(
            f"Wrote lists for {made:,} {kind} in {seconds:.0f} s ({made / max(seconds, 1e-9):,.0f} a second); "
            f"{place} holds {count(files, 'file')}.",
            err=True,
        )


def _write_lists(
    kind: "Kind", run: Path, out: str, rules: Rules, at: str | None, space: str | None,
    engine: str, workers: int | None, chunk: int, beside: str | None,
) -> tuple[int, int]:  # fmt: skip
    """Score every listing or user into `out`; returns how many files and lists that are."""
    from listing_vibes.market.durable import only_writer
    from listing_vibes.market.storage import is_address, shown
    from listing_vibes.serving.batch.delivery import delivered
    from listing_vibes.serving.batch.local import score_here
    from listing_vibes.serving.batch.work import prepare

    if engine == "ray" and is_address(out):
        raise VibesError(
            f"Option --engine ray fills a folder that all of its machines have, and OUT is {shown(out)}; use --engine local."
        )
    with delivered(out) as folder, only_writer(folder, "vibes batch"), progress_bar() as progress:
        work = prepare(run, folder, kind, rules, space, at, chunk, progress, beside)
        if engine == "local":
            made = score_here(work, workers, progress)
        else:
            from listing_vibes.serving.batch.ray_engine import score_on_ray

            made = score_on_ray(work.folder, workers or cores(), progress)
    return work.job.chunks, made
