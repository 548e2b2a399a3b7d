"""The prior of blends: means and standard deviations of the weights that markets have alone, relative to their length.

`python -m tests.benchmarks.blend_prior RUN... > core/listing_vibes/scoring/blend_prior.toml`; runs of one place are one argument,
joined by commas, and count once.
"""

import sys
from pathlib import Path

import numpy as np
import tomli_w

from listing_vibes.run.manifest import Manifest

FEATURES = ("model", "attributes", "photos", "text", "ids", "recent", "age")
#: The spread of a feature that fewer than `FEW` places have, and the least one.
UNKNOWN, FEW, LEAST = 0.3, 4, 0.1


def relative_weights(run: Path) -> dict[str, float]:
    """Return the weights of a run's market alone, divided by their length."""
    blend = Manifest.load(run).settings.blend
    assert blend is not None and blend.alone, f"{run} has no default blend"
    length = float(np.linalg.norm([*blend.alone.values()]))
    return {name: weight / length for name, weight in blend.alone.items()}


def prior(places: list[list[Path]]) -> dict[str, dict[str, float]]:
    """Return the tables "mean" and "spread" by feature; a feature that no place has gets mean 0."""
    rows = [[relative_weights(run) for run in runs] for runs in places]
    tables: dict[str, dict[str, float]] = {"mean": {}, "spread": {}}
    for name in FEATURES:
        values = [np.mean(some) for runs in rows if (some := [row[name] for row in runs if name in row])]
        tables["mean"][name] = round(float(np.mean(values)), 3) if len(values) > 1 else 0.0
        spread = float(np.std(values, ddof=1)) if len(values) >= FEW else UNKNOWN
        tables["spread"][name] = round(max(spread, LEAST), 3)
    return tables


if __name__ == "__main__":
    print(
        "# The weights of other markets relative to their length: `python -m tests.benchmarks.blend_prior`."
    )
    print(tomli_w.dumps(prior([[Path(run) for run in place.split(",")] for place in sys.argv[1:]])), end="")
