"""How far a dial of a few examples orders listings by what was planted: the vibes and the light of the demo's homes.

    python tests/benchmarks/dials.py [--json] [--draws N]

For each axis `EXAMPLES` listings that have most of it and as many that have least are drawn, a dial is made of them, and
all other listings are ordered by it. Told are the rank correlation (Spearman) with the planted value and, of a vibe, the
chance that one that has it stands above one that has not (AUC); means over the draws.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from listing_vibes import Run  # noqa: E402
from listing_vibes.demo.homes import VIBES  # noqa: E402
from listing_vibes.demo.shipped import bundled_run  # noqa: E402
from listing_vibes.demo.world import World  # noqa: E402
from listing_vibes.run.dials import Dial, position  # noqa: E402

SPACES, EXAMPLES = ("model", "photos"), (3, 6, 10)
AMOUNTS = ("light", "quality", "density", "clutter")


def planted(run: Run) -> dict[str, np.ndarray]:
    """(L,) what each home has of an axis: a vibe, 0 or 1, or an amount of 0 to 1."""
    homes = {one.listing_id: one.home for one in World.draw().offers}
    mine = [homes[listing] for listing in run.listing_ids]
    vibes = {vibe: np.array([float(home.vibe == vibe) for home in mine]) for vibe in VIBES}
    return vibes | {name: np.array([getattr(home, name) for home in mine]) for name in AMOUNTS}


def fidelity(
    run: Run, value: np.ndarray, space: str, examples: int, rng: np.random.Generator
) -> tuple[float, float]:
    """(Spearman's correlation, AUC of the upper half against the lower; of a vibe, of those that have it) of one draw."""
    known = run.index(space).known
    low, high = np.quantile(value, [0.2, 0.8]) if len(np.unique(value)) > 2 else (0.0, 1.0)
    some = [
        rng.choice(np.flatnonzero(side & known), examples, replace=False)
        for side in (value >= high, value <= low)
    ]
    more, less = (tuple(run.listing_ids[row] for row in rows) for rows in some)
    held = known.copy()
    held[np.concatenate(some)] = False
    along, true = position(run, Dial("planted", 1.0, space, more, less))[held], value[held]
    has = true > (0 if len(np.unique(value)) == 2 else np.median(true))
    ranks = rankdata(along)
    auc = (ranks[has].sum() - has.sum() * (has.sum() + 1) / 2) / (has.sum() * (~has).sum())
    return float(spearmanr(along, true)[0]), float(auc)


def measure(run: Run, draws: int) -> dict[str, dict[str, list[float]]]:
    """Mean correlation and AUC by space and number of examples, and axis."""
    axes = planted(run)
    found: dict[str, dict[str, list[float]]] = {}
    for space in SPACES:
        for examples in EXAMPLES:
            rng = np.random.default_rng(0)
            mine = {
                name: np.mean(
                    [fidelity(run, value, space, examples, rng) for _ in range(draws)], axis=0
                ).tolist()
                for name, value in axes.items()
            }
            mine["all vibes"] = np.mean([mine[vibe] for vibe in VIBES], axis=0).tolist()
            found[f"{space}, {examples} and {examples}"] = mine
    return found


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--json", action="store_true")
    options.add_argument("--draws", type=int, default=20)
    given = options.parse_args()
    found = measure(Run.open(bundled_run()), given.draws)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for name, mine in found.items():
        print(name)
        for axis, (correlation, auc) in mine.items():
            print(f"  {axis:14} correlation {correlation:+.2f}  AUC {auc:.2f}")


if __name__ == "__main__":
    main()
