"""Conversion of a run folder of format 1 in place: `python -m listing_vibes.run.convert RUN`.

Format 1 had `listings.npz` instead of `listings.safetensors`, `generations` instead of `versions`, and other names of rankings:
the evaluation results are removed, and `vibes evaluate` computes them again.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import tomli_w
from safetensors import safe_open

from listing_vibes.market.documents import write_json, write_text
from listing_vibes.market.durable import only_writer
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.market.io import write_table
from listing_vibes.run.arrays import map_arrays, read_note, save_arrays
from listing_vibes.run.contents import DERIVED, LISTINGS, seal
from listing_vibes.run.manifest import RUN_FORMAT, Manifest
from listing_vibes.run.versions import STATES, folders_of, forget_results

OLD_LISTINGS, OLD_VERSIONS = "listings.npz", "generations"


def convert(run: Path) -> None:
    """Convert a run, its versions and, for a model of several markets, the runs in it; leave runs of the current format unchanged."""
    with only_writer(run, "python -m listing_vibes.run.convert"):
        if (run / OLD_VERSIONS).is_dir():
            os.replace(run / OLD_VERSIONS, run / STATES.folder)
        is_old = tomllib.loads((run / "run.toml").read_text(encoding="utf-8")).get("format") != RUN_FORMAT
        for folder in (run, *folders_of(run)):
            _convert_state(folder)
        _convert_pointer(run / STATES.pointer, file_sha256(run / "run.toml"))
        if is_old:
            forget_results(run)
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
        arrays = {name: np.array(item) for name, item in map_arrays(folder / DERIVED).items()}
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


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        convert(Path(argument))
