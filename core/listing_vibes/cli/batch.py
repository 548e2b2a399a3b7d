"""Options of the commands that make lists, and what `--all` does."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listing_vibes.cli.shared import progress_bar
from listing_vibes.cores import cores
from listing_vibes.errors import VibesError
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.market.market import Market
    from listing_vibes.run.rules import Rules
    from listing_vibes.serving.batch.job import Kind

All = Annotated[bool, typer.Option("--all", help="for every one of the market, as parquet files in --out")]
Out = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="with --all: folder for the files, here (the same command again goes on there) or on object storage (s3://...)",
    ),
]
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
Engine = Annotated[
    str, typer.Option(help="with --all: local (threads) or ray (processes, a cluster by RAY_ADDRESS)")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="with --all: how many at a time; default: one a core")
]
Chunk = Annotated[int, typer.Option(min=1, help="with --all: listings or users a file")]
CHUNK = 2048


def refuse_without_all(**given: Any) -> None:
    """Options that only --all knows are not dropped silently."""
    for name, value in given.items():
        if value:
            raise VibesError(
                f"Option --{name.replace('_', '-')} needs --all; add it, or leave the option out."
            )


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


def batch(
    kind: "Kind", run: Path, out: str | None, rules: "Rules", at: str | None, space: str | None,
    engine: str, workers: int | None, chunk: int, as_json: bool, beside: str | None = None,
) -> None:  # fmt: skip
    """Score every listing or user into `out`."""

    from listing_vibes.market.durable import only_writer
    from listing_vibes.market.storage import is_address, shown
    from listing_vibes.serving.batch.delivery import delivered
    from listing_vibes.serving.batch.local import score_here
    from listing_vibes.serving.batch.work import prepare

    if out is None:
        raise VibesError("Option --all needs --out DIR, the folder that the files are written to.")
    if engine not in ("local", "ray"):
        raise VibesError(f"Option --engine is '{engine}'; use local or ray.")
    if engine == "ray" and is_address(out):
        raise VibesError(
            f"Option --engine ray fills a folder that all of its machines have, and --out is {shown(out)}; use --engine local."
        )
    started = time.monotonic()
    with (
        delivered(out) as folder,
        only_writer(folder, f"vibes {kind} --all"),
        progress_bar() as progress,
    ):
        work = prepare(run, folder, kind, rules, space, at, chunk, progress, beside)
        if engine == "local":
            made = score_here(work, workers, progress)
        else:
            from listing_vibes.serving.batch.ray_engine import score_on_ray

            made = score_on_ray(work.folder, workers or cores(), progress)
    seconds = time.monotonic() - started
    out = shown(out) if is_address(out) else out
    told = {"out": out, "files": work.job.chunks, "lists": made, "seconds": round(seconds, 2)}
    if as_json:
        typer.echo(json.dumps(told))
    else:
        whose = "listings" if kind == "similar" else "users"
        typer.echo(
            f"Wrote lists for {made:,} {whose} in {seconds:.0f} s ({made / max(seconds, 1e-9):,.0f} a second); "
            f"{out} holds {count(work.job.chunks, 'file')}.",
            err=True,
        )
