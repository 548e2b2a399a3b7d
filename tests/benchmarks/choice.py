"""The choice of a list alone, under rules, among a million vectors: `python -m tests.benchmarks.choice [--listings 1000000] [--json]`.

Random vectors of five kinds and 120 cities, one query at a time; told is the least processor time of three. *Scored* is what
boosts ask for: every listing has a score. Nothing is encoded and no run is opened, so it takes seconds.
"""

import argparse
import json
import time

import numpy as np

from listing_vibes.run.groups import Groups
from listing_vibes.run.rules import Rules
from listing_vibes.run.select import Selector
from listing_vibes.search.index import ExactIndex

WIDTH, KINDS, CITIES, TIMES = 128, 5, 120, 3


def measure(listings: int) -> dict[str, float]:
    """Milliseconds by what is asked."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((listings, WIDTH), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    kind, city = rng.integers(0, KINDS, listings), rng.integers(0, CITIES, listings)
    index, whole = ExactIndex(vectors, np.ones(listings, bool)), np.ones(listings, bool)
    half, kinds, cities = (
        rng.random(listings) < 0.5,
        Groups(kind, kind, None),
        Groups(None, city, None),
    )
    plain, two, own = Rules(k=30), Rules(k=30, at_most=2, seller="of"), np.array([2])
    asked = {
        "none": (plain, kinds, None, whole, False),
        "none, scored": (plain, kinds, None, whole, True),
        "where half remain": (plain, kinds, None, half, False),
        "diversity": (Rules(k=30, diversity=0.3), kinds, None, whole, False),
        "same kind": (plain, kinds, own, whole, False),
        "same kind, scored": (plain, kinds, own, whole, True),
        "at most two of a city": (two, cities, None, whole, False),
        "at most two of a kind": (two, kinds, None, whole, False),
        "at most two of a kind, scored": (two, kinds, None, whole, True),
    }
    nobody, found = np.zeros(0, np.int64), {}
    for name, (rules, groups, region, eligible, scored) in asked.items():
        spent = []
        for row in range(TIMES):
            query, begin = vectors[row : row + 1], time.process_time()
            told = query @ vectors.T if scored else query
            Selector(index, rules, groups, eligible, WIDTH).lists(told, region, nobody, nobody, scored)
            spent.append(1000 * (time.process_time() - begin))
        found[name] = min(spent)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    found = measure(told.listings)
    if told.json:
        print(json.dumps(found))
        return
    for name, milliseconds in found.items():
        print(f"{name:<32}{milliseconds:>10.1f} ms")


if __name__ == "__main__":
    main()
