"""Options of the commands that make lists, and the command `batch`."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from listing_vibes.cli.shared import PRODUCTION, Count, Json, RunPath, app, progress_bar
from listing_vibes.cores import cores
from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.market.market import Market
    from listing_vibes.run.rules import Rules
    from listing_vibes.serving.batch.job import Kind

#: What `--all` was; see `refuse_all`.
All = Annotated[bool, typer.Option("--all", hidden=True)]
AllOut = Annotated[str | None, typer.Option("--out", hidden=True)]
At = Annotated[
    str | None, typer.Option(help="moment (UTC), now, or a position; default: after the last event")
]
Live = Annotated[
    bool | None,
    typer.Option(
        "--live-only/--not-only-live",
        help="only listings live at the moment; the default for users, not for similar listings",
    ),
]
Seen = Annotated[
    bool | None, typer.Option("--drop-seen/--keep-seen", help="not what is in the user's history (default)")
]
Same = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="only listings equal in this attribute, e.g. the region"),
]
AtMost = Annotated[
    tuple[int, str] | None,
    typer.Option(metavar="N COLUMN", help="at most N with one value, e.g. of one seller"),
]
Diversity = Annotated[float, typer.Option(min=0, max=0.99, help="0 by score alone .. 1 by unlikeness (MMR)")]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="CONDITION", help="only listings that fulfil it: price<=100, rooms=2|3, pets=yes"),
]
Pin = Annotated[
    list[str] | None,
    typer.Option(metavar="LISTING", help="stands first, as far as the other rules let it into the list"),
]
Block = Annotated[list[str] | None, typer.Option(metavar="LISTING", help="is in no list")]
Not = Annotated[
    list[str] | None,
    typer.Option("--not", metavar="LISTING", help="nor this one, nor so much of what is like it"),
]
Boost = Annotated[
    list[str] | None,
    typer.Option(
        metavar="BOOST",
        help="'fresh 0.5 14d' or 'near 48.14,11.58 0.5 2km': a weight, and where half of it is left",
    ),
]
Dial = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIAL", help="'lighter 1.5 photos +A +B -C': moved towards what is like A and B and unlike C"
    ),
]
Fill = Annotated[
    bool,
    typer.Option(
        "--fill",
        help="where too few remain, fill up without --at-most, then --same, then --where, and say so",
    ),
]
With = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="PARTS",
        help="add to the model: recency, neighbours, ids, joined by +, weighed as `vibes evaluate` fitted it; nothing: the model "
        "alone, also where lists add something unasked",
    ),
]
CHUNK = 2048


def refuse_all(given: bool, kind: str) -> None:
    """Name the command that `--all` has become."""
    if given:
        raise VibesError(f"Option --all is a command now; use `vibes batch RUN OUT --kind {kind}`.")


def moment_of(at: str | None, market: "Market") -> int | None:
    """The moment that --at says, in the time of the market's log."""
    from listing_vibes.market.moments import moment_in_log

    return None if at is None else moment_in_log(at, market.timed, "Option --at")


def rules_of(
    k: int,
    live_only: bool | None,
    drop_seen: bool | None,
    same: list[str] | None,
    at_most: tuple[int, str] | None,
    diversity: float,
    where: list[str] | None,
    pin: list[str] | None,
    block: list[str] | None,
    boost: list[str] | None,
    fill: bool,
    unlike: list[str] | None,
    dial: list[str] | None,
) -> "Rules":
    """The rules that options say."""
    from listing_vibes.run.rules import Rules

    most, seller = at_most or (None, None)
    if most is not None and most < 1:
        raise VibesError(f"Option --at-most is {most} {seller}; give a number of 1 or more.")
    return Rules(
        k=k, live_only=live_only, drop_seen=drop_seen, same=tuple(same or ()), at_most=most, seller=seller,
        diversity=diversity, where=tuple(where or ()), pin=tuple(pin or ()), block=tuple(block or ()),
        boost=tuple(boost or ()), fill=fill, unlike=tuple(unlike or ()),
        dial=tuple(dial or ()),
    )  # fmt: skip


@app.command(rich_help_panel=PRODUCTION)
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
    k: Count = K,
    space: Annotated[
        str | None, typer.Option(help="with --kind listings: model, photos or attributes")
    ] = None,
    with_: With = None,
    at: At = None,
    live_only: Live = None,
    drop_seen: Seen = None,
    same: Same = None,
    at_most: AtMost = None,
    diversity: Diversity = 0.0,
    where: Where = None,
    pin: Pin = None,
    block: Block = None,
    not_: Not = None,
    boost: Boost = None,
    dial: Dial = None,
    fill: Fill = False,
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
    others = {"space": space} if users else {"with": with_, "drop-seen": drop_seen}
    for name, value in others.items():
        if value is not None:
            raise VibesError(f"Option --{name} is not for --kind {kind}; leave it out.")
    rules = rules_of(
        k, live_only, drop_seen, same, at_most, diversity, where, pin, block, boost, fill, not_, dial
    )
    started = time.monotonic()
    files, made = _write_lists(
        "recommend" if users else "similar", run, out, rules, at, space, engine, workers, chunk, with_
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
    kind: "Kind", run: Path, out: str, rules: "Rules", at: str | None, space: str | None,
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
