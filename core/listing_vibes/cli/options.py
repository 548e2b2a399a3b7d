"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

#: The choices of `listing_vibes.market.splits.Protocol` and `listing_vibes.model.encoder_config.PRESETS`, which would load numpy.
Protocol = Literal["temporal", "leave-one-out"]
Baselines = Literal["all", "fast", "none"]
Preset = Literal["tiny", "mini", "small", "base", "large"]
MarketPath = Annotated[
    Path, typer.Argument(metavar="MARKET", help="folder with the three tables and the photos")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="run folder")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Strict = Annotated[bool, typer.Option("--strict", help="exit code 2 if there is any issue")]
Encoder = Annotated[str, typer.Option(help="photo encoder: a timm name or vae; auto = the best available")]
Weights = Annotated[Path | None, typer.Option(help="file with the photo encoder's weights")]
ENGINE = "local (this process) or ray (a cluster, by RAY_ADDRESS)"
Engine = Annotated[Literal["local", "ray"], typer.Option(help=ENGINE)]
Workers = Annotated[int | None, typer.Option(min=1, help="parallel workers; default: one per core")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 = any free port")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser window")]
At = Annotated[
    str | None,
    typer.Option(
        help="compute it as of this time (UTC), now, or this position; default: after the last event"
    ),
]
Blend = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="what is blended into the model: recency, neighbors, covisits, ids, joined by +, or nothing; default: the default ranking",
    ),
]
Count = Annotated[int | None, typer.Option("--k", "-k", min=1, help="how many listings; default: 30")]
Where = Annotated[
    list[str] | None,
    typer.Option(metavar="CONDITION", help="price<=100 (or <, >=, >), rooms=2|3, pets=yes; repeatable"),
]
RULES = "JSON or TOML with any of the rules, e.g. pin, at_most, same"
RulesFile = Annotated[Path | None, typer.Option("--rules", metavar="FILE", help=RULES)]
HISTORY = "JSON or CSV: listing_id, action?, duration_s?, oldest first"
HistoryFile = Annotated[Path | None, typer.Option("--history", metavar="FILE", help=HISTORY)]


def table_file(help: str) -> Any:
    """Return the option of a table that a command writes; its name is checked before the command starts."""

    def check(param: typer.CallbackParam, value: Path | None) -> Path | None:
        from listing_vibes.market.io import check_table_name

        check_table_name(value, param.opts[0])
        return value

    return typer.Option(metavar="OUT.parquet|OUT.csv", help=help, callback=check)
