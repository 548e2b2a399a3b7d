"""The command that takes a run elsewhere: its model for other engines, its vectors for other systems."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from listing_vibes.cli.shared import PRODUCTION, Json, RunPath, app, progress_bar
from listing_vibes.errors import VibesError
from listing_vibes.model.export.formats import FORMATS

if TYPE_CHECKING:
    from listing_vibes.run.run import Run


@app.command(rich_help_panel=PRODUCTION)
def export(
    run: RunPath,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="folder for the files; default: RUN/export")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help=f"one of {', '.join(FORMATS)}; may be given several times"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="compare vectors and top 30 with those of the model")
    ] = False,
    vectors: Annotated[
        bool,
        typer.Option("--vectors", help="write the vectors of listings and users as Parquet, not the model"),
    ] = False,
    milvus: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="fill a Milvus collection with what is active: a .db file or a server's address",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Write the model as ONNX, or the vectors of listings and users as Parquet or into Milvus."""
    from dataclasses import asdict

    from listing_vibes.run.run import Run

    opened, folder = Run.open(run), out or run / "export"
    if (vectors or milvus is not None) and (formats or check):
        raise VibesError("Options --vectors and --milvus write no model; leave out --format and --check.")
    if vectors or milvus is not None:
        written = _export_vectors(opened, folder if vectors else None, milvus)
        lines = [f"{place}: {count:,} vectors" for place, count in written.items()]
        typer.echo(json.dumps(written) if json_ else "\n".join(lines))
        return
    _ = opened.engine  # says where there is no model, or no torch
    from listing_vibes.serving.export.read import LEAST, check_export
    from listing_vibes.serving.export.write import export_run

    chosen = list(dict.fromkeys(formats or ["onnx"]))
    for name in chosen:
        if name not in FORMATS:
            raise VibesError(f"Option --format is '{name}'; use one of {', '.join(FORMATS)}.")
    found, short = {}, []
    for name in chosen:
        with progress_bar() as progress:
            files = export_run(opened, folder, name, progress)
        found[name] = {"files": [str(path) for path in files]}
        typer.echo(f"Wrote {' and '.join(found[name]['files'])}.", err=True)
        if check:
            made = check_export(opened, folder, name)
            found[name] |= asdict(made)
            if not json_:
                typer.echo(
                    f"{name}: cosine {made.listing_cosine:.5f} of {made.listings} listings, "
                    f"{made.history_cosine:.5f} of {made.histories} histories (lowest {made.lowest:.5f}), "
                    f"top-30 overlap {made.overlap:.4f}"
                )
            if not made.holds:
                short.append(name)
    if json_:
        typer.echo(json.dumps(found))
    if short:
        raise VibesError(
            f"The export as {' and '.join(short)} is below {LEAST} in mean cosine or top-30 overlap, so it does not "
            "stand for the model; use another format."
        )


def _export_vectors(run: "Run", folder: Path | None, milvus: str | None) -> dict[str, int]:
    """Write vectors as Parquet and into Milvus; returns how many by place."""
    written: dict[str, int] = {}
    if folder is not None:
        from listing_vibes.serving.export.vectors import export_vectors

        with progress_bar() as progress:
            rows = export_vectors(run, folder, progress)
        written |= {str(folder / name): count for name, count in rows.items()}
    if milvus is not None:
        from listing_vibes.serving.refresh.store import Follower

        written[milvus], _ = Follower(milvus).follow(run)
    return written
