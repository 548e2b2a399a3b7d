"""What each rule costs: `python -m tests.benchmarks.rules [RUN] [--requests 300] [--json]`.

One request at a time, in this process, to what the service answers with (`Served.answer`), so that the network is left
out: the histories of users drawn by chance, every rule in turns with none, so that a busy machine slows all alike. The
first answer under a rule, which prepares it, is told apart. `cpu` is what all threads together worked, at p50 and p99.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from listing_vibes.market.columns import Columns as C
from listing_vibes.run.rules import Rules
from listing_vibes.serving.service.requests import Recommend
from listing_vibes.serving.service.served import Served

DEMO = Path(__file__).parents[2] / "assets" / "demo" / "run"


def cases(served: Served) -> dict[str, Rules]:
    """The rules by name, of those that the market allows."""
    ids, market = served.run.listing_ids, served.run.market
    names = {one.kind: one.name for one in market.attributes}
    group = names.get("category") or names.get("flag")
    found = {"none": Rules(), "pin": Rules(pin=tuple(ids[:3])), "block": Rules(block=tuple(ids[:100]))}
    found |= {"diversity": Rules(diversity=0.3), "not": Rules.of({"not": [ids[0]]})}
    if group is not None:
        found |= {"same": Rules(same=(group,)), "at most": Rules(at_most=2, seller=group)}
        found["fill"] = Rules(same=(group,), at_most=1, seller=group, fill=True)
    if "number" in names:
        middle = float(market.listings[names["number"]].median())
        found["where"] = Rules(where=(f"{names['number']}<={middle:g}",))
    boosts = {"fresh": "fresh 0.5 14d"}
    if C.LATITUDE in market.listings:
        place = market.listings[[C.LATITUDE, C.LONGITUDE]].astype(float).median()
        boosts["near"] = f"near {place[C.LATITUDE]:.5f},{place[C.LONGITUDE]:.5f} 0.5 2km"
    for name, boost in boosts.items():
        try:
            served.run.recommender(rules=Rules(boost=(boost,)))
        except Exception:  # this market knows no moments, or no places
            continue
        found[name] = Rules(boost=(boost,))
    return found


def measure(path: Path, requests: int, only: str = "") -> dict[str, dict[str, float]]:
    """Milliseconds by rule: the first answer, and p50 and p99 of the others."""
    served = Served(path)
    log = served.run.log
    users = [log.users[u] for u in np.random.default_rng(0).choice(len(log.users), requests)]
    rules = {name: rule for name, rule in cases(served).items() if not only or name in ("none", only)}
    spent: dict[str, list[float]] = {}
    worked: dict[str, list[float]] = {}
    for user in users:
        for name, rule in rules.items():
            begin, cpu = time.perf_counter(), time.process_time()
            (found,) = served.answer([Recommend(user, [], rule)])
            spent.setdefault(name, []).append(1000 * (time.perf_counter() - begin))
            worked.setdefault(name, []).append(1000 * (time.process_time() - cpu))
            if isinstance(found, Exception):
                raise found
    return {
        name: {
            "first_ms": times[0],
            "p50_ms": float(np.percentile(times[1:], 50)),
            "p99_ms": float(np.percentile(times[1:], 99)),
            "per_s": 1000 / float(np.mean(times[1:])),
            "cpu_p50_ms": float(np.percentile(worked[name][1:], 50)),
            "cpu_p99_ms": float(np.percentile(worked[name][1:], 99)),
            "per_cpu_s": 1000 / float(np.mean(worked[name][1:])),
        }
        for name, times in spent.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--only", default="", metavar="RULE", help="this one, beside none")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    found = measure(told.run, told.requests, told.only)
    if told.json:
        print(json.dumps(found))
        return
    print(as_text(found))


def as_text(found: dict[str, dict[str, float]]) -> str:
    """A table for people."""
    lines = [
        f"{'rule':<12}{'first':>10}{'p50':>10}{'p99':>10}{'cpu p50':>10}{'cpu p99':>10}  ms{'a second':>10}{'of cpu':>10}"
    ]
    for name, one in found.items():
        told = "".join(
            f"{one[key]:>10.2f}" for key in ("first_ms", "p50_ms", "p99_ms", "cpu_p50_ms", "cpu_p99_ms")
        )
        lines.append(f"{name:<12}{told}{one['per_s']:>14.1f}{one['per_cpu_s']:>10.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
