"""The prior of blends: how the weights that markets have alone, relative to their length, depend on their number of examples.

`python -m tests.benchmarks.blend_prior RUN... > core/listing_vibes/scoring/blend_prior.toml`; runs of one place are one argument,
joined by commas, and count once.
"""

import sys
from pathlib import Path

import numpy as np
import tomli_w

from listing_vibes.run.run import Run
from listing_vibes.scoring.blend import PRIOR, count_examples

FEATURES = ("model", "attributes", "photos", "text", "ids", "covisits", "recent", "age")
#: The spread of a feature that fewer than `FEW` places have, and the least one.
UNKNOWN, FEW, LEAST = 0.3, 4, 0.1


def relative_weights(run: Path) -> tuple[float, dict[str, float]]:
    """Return log10 of the examples of a run, and the weights of its market alone, divided by their length."""
    opened = Run.open(run)
    blend = opened.manifest.settings.blend
    assert blend is not None and blend.alone, f"{run} has no default blend"
    events = np.bincount(opened.log.user[opened.split(None).train])
    length = float(np.linalg.norm([*blend.alone.values()]))
    weights = {name: weight / length for name, weight in blend.alone.items()}
    return float(np.log10(count_examples(events))), weights


def prior(places: list[list[Path]]) -> dict[str, dict[str, float]]:
    """Return the tables of `listing_vibes.scoring.blend.PRIOR` by feature; a feature that no place has gets mean 0."""
    rows = [[relative_weights(run) for run in runs] for runs in places]
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
    print(
        "# The weights of other markets relative to their length: `python -m tests.benchmarks.blend_prior`."
    )
    print(tomli_w.dumps(prior([[Path(run) for run in place.split(",")] for place in sys.argv[1:]])), end="")
