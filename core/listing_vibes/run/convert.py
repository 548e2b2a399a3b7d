"""Converts a run folder of format 1 in place: `python -m listing_vibes.run.convert RUN`.

Format 1 had `listings.npz` instead of `listings.safetensors`, `generations` instead of `versions`, and other names of rankings in
what was measured.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tomli_w
from safetensors import safe_open

from listing_vibes.market.documents import write_json, write_text
from listing_vibes.market.durable import only_writer
from listing_vibes.market.io import write_table
from listing_vibes.run.arrays import map_arrays, read_note, save_arrays
from listing_vibes.run.contents import DERIVED, LISTINGS, seal
from listing_vibes.run.manifest import RUN_FORMAT, Manifest
from listing_vibes.run.versions import RESULTS, STATES, stamp_of
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY

OLD_LISTINGS, OLD_VERSIONS, RANK = "listings.npz", "generations", "rank of "


def convert(run: Path) -> None:
    """Convert a run, its versions and, of a model of several markets, the runs in it; one of the present format stays as it is."""
    with only_writer(run, "python -m listing_vibes.run.convert"):
        if (run / OLD_VERSIONS).is_dir():
            os.replace(run / OLD_VERSIONS, run / STATES.folder)
        for folder in (run, *run.glob(f"{STATES.folder}/[0-9]*"), *run.glob(f"{RESULTS.folder}/[0-9]*")):
            _convert_results(folder)
            if (folder / "run.toml").is_file():
                _convert_state(folder)
        for series in (STATES, RESULTS):
            _convert_pointer(run / series.pointer, stamp_of(run).base if series is STATES else "")
    for path in run.glob("markets/*/run.toml"):
        convert(path.parent)


def _convert_state(folder: Path) -> None:
    content = tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))
    if content.get("format") == RUN_FORMAT:
        return
    if (folder / OLD_LISTINGS).is_file():
        with np.load(folder / OLD_LISTINGS, allow_pickle=False) as stored:
            save_arrays(folder / LISTINGS, dict(stored))
    if (folder / DERIVED).is_file() and not read_note(folder / DERIVED):
        with safe_open(folder / DERIVED, "numpy") as stored:
            old = stored.metadata() or {}
        arrays = {name: np.array(one) for name, one in map_arrays(folder / DERIVED).items()}
        save_arrays(folder / DERIVED, arrays, f"{old.get('fingerprint', '')} {old.get('weights', '')}")
    content |= {"format": RUN_FORMAT, "files": {}}
    write_text(folder / "run.toml", tomli_w.dumps(content))
    sealed = seal(folder, Manifest.load(folder))
    (folder / OLD_LISTINGS).unlink(missing_ok=True)
    if (folder / "map.parquet").is_file():
        frame = pd.read_parquet(folder / "map.parquet")
        frame.attrs["drawn_of"] = sealed.files[LISTINGS].sha256
        write_table(folder / "map.parquet", frame)


def _convert_pointer(path: Path, base: str) -> None:
    if path.is_file() and "generation" in (pointer := json.loads(path.read_text(encoding="utf-8"))):
        numbers = {name: pointer.get(name, 0) for name in ("made", "model")}
        write_json(path, {"base": base, "version": pointer["generation"], **numbers})


def _convert_results(folder: Path) -> None:
    metrics, fits, queries = folder / "metrics.json", folder / "serving.json", folder / "queries.parquet"
    if metrics.is_file():
        document = json.loads(metrics.read_text(encoding="utf-8"))
        write_json(metrics, _with_current_names(document), indent=1)
    if fits.is_file():
        rows = json.loads(fits.read_text(encoding="utf-8"))
        write_json(fits, [row | {"name": current_name(row["name"])} for row in rows], indent=1)
    if queries.is_file():
        frame = pd.read_parquet(queries)
        names = current_names([name.removeprefix(RANK) for name in frame if name.startswith(RANK)])
        others = [name for name in frame if not name.startswith(RANK)]
        write_table(
            queries, frame[others].assign(**{RANK + name: frame[RANK + old] for name, old in names.items()})
        )


def current_name(name: str) -> str:
    """Return the name that a ranking of format 1 has now."""
    if name in ("model", "model alone"):
        return DEFAULT_RANKING if name == "model" else MODEL_ONLY
    if name.startswith("model + "):
        name = MODEL_ONLY + name.removeprefix("model").replace("id blend", "ids")
    return name.replace("neighbours", "neighbors")


def current_names(names: list[str]) -> dict[str, str]:
    """Return by the present names of rankings the stored ones; of a model without a blend "model" is both."""
    by_name = {current_name(name): name for name in names}
    if "model" not in names or MODEL_ONLY in by_name:
        return by_name
    return {DEFAULT_RANKING: "model", MODEL_ONLY: "model"} | by_name


def _with_current_names(stored: dict[str, Any]) -> dict[str, Any]:
    """Return `metrics.json` with the present names of its rankings."""
    names = current_names(list(stored["results"]))

    def results(part: dict[str, Any]) -> dict[str, Any]:
        return {name: part[old] for name, old in names.items() if old in part}

    def differences(part: dict[str, Any]) -> dict[str, Any]:
        return {" - ".join(map(current_name, pair.split(" - "))): one for pair, one in part.items()}

    document = stored | {
        "results": results(stored["results"]),
        "differences": differences(stored.get("differences", {})),
        "slices": {
            key: one | {"results": results(one.get("results", {}))}
            for key, one in stored.get("slices", {}).items()
        },
        "stability": [
            row | {"scorer": name}
            for row in stored.get("stability", [])
            for name, old in names.items()
            if old == row.get("scorer")
        ],
        "notes": {
            current_name(name): current_name(note)
            if note.startswith("model ")
            else note.partition("; model alone")[0]
            for name, note in stored.get("notes", {}).items()
        },
    }
    if new_by := stored.get("new_by"):
        document["new_by"] = new_by | {
            "results": results(new_by.get("results", {})),
            "differences": differences(new_by.get("differences", {})),
        }
    return document


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        convert(Path(argument))
