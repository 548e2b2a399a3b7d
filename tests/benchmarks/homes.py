"""Make the model that ships in `assets/models/homes`: one model of the public towns.

    python -m tests.benchmarks.homes OUT [--data FOLDER]

Trains on the towns of `tests.benchmarks.transfer` in OUT (resumable), rounds the weights to float16, and copies weights,
vocabulary and `run.toml`, without paths and fingerprints, to the assets. No row of a table goes along: of the vocabulary
every value is one that two towns have, so that no host and no neighbourhood is in it; descriptions are left out beforehand.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from tests.benchmarks.arguments import parse_arguments
from tests.benchmarks.transfer import SETTINGS, TOWNS, WITHOUT, market_of, trained

from listing_vibes.market.caches import MODELS
from listing_vibes.run.embedding import MODEL
from listing_vibes.run.manifest import Manifest, seal


def ship(run: Path, target: Path) -> None:
    """Copy the model of `run`, which is of several markets, to `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (*MODEL, "seen.json"):
        shutil.copyfile(run / name, target / name)
    weights = load_file(run / "model.safetensors")
    save_file({name: tensor.half() for name, tensor in weights.items()}, target / "model.safetensors")
    (target / "model.safetensors").chmod(0o644)
    manifest = Manifest.load(run)
    towns = [one.model_copy(update={"path": ""}) for one in manifest.markets or []]
    seal(target, manifest.model_copy(update={"markets": towns, "carried": None}))


def main() -> None:
    given = parse_arguments(__doc__, out=Path, data=Path("../shared/data"))
    markets = [market_of(town, given.data, given.out, WITHOUT) for town in TOWNS]
    trained(markets, given.out / "run", config=SETTINGS)
    ship(given.out / "run", MODELS / "homes")


if __name__ == "__main__":
    main()
