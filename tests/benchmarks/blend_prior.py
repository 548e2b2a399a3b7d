"""The prior of blends: how the weights that markets have alone, relative to their length, depend on their number of examples.

`python -m tests.benchmarks.blend_prior RUN... [--only FEATURE...]` writes `blend_prior.toml`; runs of one place are one argument, joined
by commas, and count once. Content EASE is in each blend, whether or not validation proves it. With `--only` other features stay.
"""

import argparse
import tomllib
from pathlib import Path

import numpy as np
import tomli_w

import listing_vibes.scoring.blend
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import default_weights
from listing_vibes.scoring.blend import PRIOR, count_examples

FILE = Path(listing_vibes.scoring.blend.__file__).with_name("blend_prior.toml")
FEATURES = ("model", "attributes", "photos", "text", "ids", "covisits", "recent", "age")
#: The spread of a feature that fewer than `FEW` places have, and the least one.
UNKNOWN, FEW, LEAST = 0.3, 4, 0.1


def relative_weights(path: Path) -> tuple[float, dict[str, float]]:
    """Return log10 of the examples of a run, and the weights of its market alone, divided by their length."""
    run = Run.open(path)
    split, spaces = run.split(), {space: run.vectors(space) for space in run.spaces}
    engine = run.engine if "model" in run.spaces else None
    settings = run.manifest.settings
    blend = default_weights(engine, settings, spaces, run.log, split, run.catalogue, needs_proof=False)
    assert blend is not None and blend.alone, f"{path} has no default blend"
    length = float(np.linalg.norm([*blend.alone.values()]))
    weights = {name: weight / length for name, weight in blend.alone.items()}
    return float(np.log10(count_examples(np.bincount(run.log.user[split.train])))), weights


def prior(places: list[list[Path]]) -> dict[str, dict[str, float]]:
    """Return the tables of `listing_vibes.scoring.blend.PRIOR` by feature; a feature that no place has gets mean 0."""
    rows = [[relative_weights(run) for run in runs] for runs in places]
    print(*rows, sep="\n")
    tables: dict[str, dict[str, float]] = {table: {} for table in PRIOR}
    for name in FEATURES:
        means = [
            np.mean(some, axis=0)
            for runs in rows
            if (some := [(x, row[name]) for x, row in runs if name in row])
        ]
        slope, mean, spread = 0.0, 0.0, UNKNOWN
        if len(means) >= FEW:
            x, y = np.transpose(means)
            slope, mean = np.polyfit(x, y, 1)
            spread = float(np.sqrt(np.square(y - mean - slope * x).sum() / (len(y) - 2)))
        elif len(means) > 1:
            mean = float(np.mean(means, axis=0)[1])
        for table, value in zip(PRIOR, (mean, slope, max(spread, LEAST)), strict=True):
            tables[table][name] = round(float(value), 3)
    return tables


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("places", nargs="+")
    parser.add_argument("--only", nargs="+", choices=FEATURES, default=FEATURES)
    asked = parser.parse_args()
    measured = prior([[Path(run) for run in place.split(",")] for place in asked.places])
    kept = tomllib.loads(FILE.read_text(encoding="utf-8"))
    merged = {table: kept[table] | {name: measured[table][name] for name in asked.only} for table in PRIOR}
    comment = FILE.read_text(encoding="utf-8").partition("\n")[0]
    FILE.write_text(f"{comment}\n{tomli_w.dumps(merged)}", encoding="utf-8")
