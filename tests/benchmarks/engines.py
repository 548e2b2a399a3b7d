"""The same requests to this project, Qdrant (local mode) and Milvus Lite: `python -m tests.benchmarks.engines [RUN] [--requests 200]`.

With `--listings N` the run is one of N made-up homes (`tests/benchmarks/large_market.py`; kept in `--folder`). What
`tests/benchmarks/rules.py` measures, whole recommendations of this project under each rule, is told beside it. An engine that has
not loaded its listings within `--load` seconds, or a rule that takes more than `--seconds` of processor time, is told with what it got done.

Each holds the vectors of a run's live listings and their attributes, and is asked one request at a time, all engines in turns,
for the 30 listings nearest to a listing under each rule. What an engine has no request for is told as such; where it has one,
p50 and p99 in milliseconds and requests a second, by the clock and by the processor time of a request in this process and those it
started, which a busy machine changes least, and the mean share of the 30 that this project gives as well. Needs `qdrant-client` (not among the
project's extras) beside the extra `export`; an engine that is not installed is left out.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import psutil
from tests.benchmarks.other_engines import PART, Ask, K, TooSlow, milvus, qdrant
from tests.benchmarks.rules import as_text
from tests.benchmarks.rules import measure as recommend_under_rules

from listing_vibes.market.columns import Columns as C
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "assets" / "demo" / "run"


class Asked:
    """What all engines are asked: rows of live listings, their vectors and attributes."""

    def __init__(self, path: Path) -> None:
        self.run = Run.open(path)
        live = self.run.catalogue.live(self.run.after_last_event)
        self.rows = np.flatnonzero(live & self.run.index("model").known)
        self.vectors = self.run.vectors("model")[self.rows]
        listings = self.run.market.listings.iloc[self.rows].reset_index(drop=True)
        names = {one.kind: one.name for one in reversed(self.run.market.attributes)}
        self.number, self.group = names["number"], names["category"]
        self.limit = float(listings[self.number].median())
        self.blocked = [int(row) for row in range(0, len(self.rows), max(9, len(self.rows) // 41))]
        self.payload = pd.DataFrame(
            {"number": listings[self.number].astype(float), "group": listings[self.group].astype(str)}
        )
        since = listings[C.PUBLISHED].astype("int64") / 86_400e9 if C.PUBLISHED in listings else 0.0
        self.payload["day"] = pd.Series(since, index=listings.index, dtype=float)
        self.now = self.run.after_last_event / 86_400e9
        where = listings[[C.LATITUDE, C.LONGITUDE]].astype(float)
        self.payload["latitude"], self.payload["longitude"] = where[C.LATITUDE], where[C.LONGITUDE]
        self.place = ",".join(f"{value:.5f}" for value in where.median())

    def parts(self, until: float) -> Iterator[slice]:
        """The rows some at a time.

        Raises:
            TooSlow: that took too long.
        """
        for first in range(0, len(self.rows), PART):
            if time.monotonic() > until:
                raise TooSlow(f"{first:,} of {len(self.rows):,} listings loaded in the time")
            yield slice(first, first + PART)


def ours(asked: Asked) -> dict[str, Ask]:
    run, ids = asked.run, asked.run.listing_ids
    back = {int(row): place for place, row in enumerate(asked.rows)}
    blocked = tuple(ids[asked.rows[row]] for row in asked.blocked)
    rules = {
        "none": Rules(),
        "where": Rules(where=(f"{asked.number}<={asked.limit:g}",)),
        "same": Rules(same=(asked.group,)),
        "block": Rules(block=blocked),
        "pin": Rules(pin=blocked[:3]),
        "at most": Rules(at_most=2, seller=asked.group),
        "at most, filled": Rules(at_most=2, seller=asked.group, fill=True),
        "diversity": Rules(diversity=0.3),
        "not": Rules.of({"not": [blocked[0]]}),
        "fresh": Rules(boost=("fresh 0.5 14d",)),
        "near": Rules(boost=(f"near {asked.place} 0.5 2km",)),
    }
    found = {}
    for name, rule in rules.items():
        maker = run.recommender("model", rule.model_copy(update={"live_only": True}), for_users=False)

        def ask(row: int, maker: Any = maker) -> list[int]:
            at = run.after_last_event
            rows = maker.similar(asked.rows[row : row + 1], at, K).rows[0]
            return [back[int(one)] for one in rows if one >= 0]

        found[name] = ask
    return found


def measure(
    path: Path, requests: int, seconds: float = 600, load: float = 600
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, dict[str, Any]]]]:
    """How each engine loaded its listings; and by rule and engine milliseconds and overlap, or why there is no answer."""
    asked = Asked(path)
    rows = np.random.default_rng(0).choice(len(asked.rows), requests)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    loaded: dict[str, dict[str, Any]] = {}
    with TemporaryDirectory(prefix="vibes-") as place:
        engines = {"listing vibes": ours(asked)}
        for name, make in {"qdrant": qdrant, "milvus lite": milvus}.items():
            begin, cpu, before = time.monotonic(), time.process_time(), psutil.Process().memory_info().rss
            try:
                engines[name] = make(asked, Path(place), begin + load)
                loaded[name] = {"listings": len(asked.rows)}
            except ImportError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
            except TooSlow as error:
                loaded[name] = {"cannot": str(error)}
            if name in loaded:
                loaded[name] |= {
                    "seconds": round(time.monotonic() - begin, 1),
                    "cpu_s": round(time.process_time() - cpu + _others(), 1),
                    "gib": round((psutil.Process().memory_info().rss - before) / 2**30, 2),
                }
                print(json.dumps({name: loaded[name]}), file=sys.stderr, flush=True)
        for rule in engines["listing vibes"]:
            found[rule] = _under(rule, engines, list(map(int, rows)), seconds)
            print(json.dumps({rule: found[rule]}), file=sys.stderr, flush=True)
    return loaded, found


def _under(
    rule: str, engines: dict[str, dict[str, Ask]], rows: list[int], seconds: float
) -> dict[str, dict[str, Any]]:
    """By engine, all in turns; one that has had its seconds answers no more."""
    spent: dict[str, list[float]] = {name: [] for name in engines}
    worked: dict[str, list[float]] = {name: [] for name in engines}
    alike: dict[str, list[float]] = {name: [] for name in engines}
    failed = {name: "no such request" for name, rules in engines.items() if rule not in rules}
    # The first ones load what is loaded once; where one takes an engine's seconds, it is told all the same. Seconds are those of the
    # processor: on a busy machine the clock would leave the slower engines fewer requests.
    warm, had = min(5, len(rows) // 4), dict.fromkeys(engines, 0.0)
    for number, row in enumerate(rows):
        wanted: set[int] = set()
        for name, rules in engines.items():
            if name in failed or (had[name] > seconds and spent[name]):
                continue
            before, cpu, begin = _others(), time.process_time(), time.perf_counter()
            try:
                got = rules[rule](row)
            except Exception as error:  # whatever an engine says it cannot do
                failed[name] = " ".join(str(error).split())[:120]
                continue
            ended = time.perf_counter()
            spent_here = time.process_time() - cpu + _others() - before
            had[name] += spent_here
            wanted = wanted or set(got)  # this project is the first
            if number >= warm or had[name] > seconds:
                spent[name].append(1000 * (ended - begin))
                worked[name].append(1000 * spent_here)
                alike[name].append(len(wanted & set(got)) / max(1, len(wanted)))
    return {
        name: {"cannot": failed[name]}
        if name in failed
        else {
            "requests": len(spent[name]),
            "p50_ms": float(np.percentile(spent[name], 50)),
            "p99_ms": float(np.percentile(spent[name], 99)),
            "per_s": 1000 / float(np.mean(spent[name])),
            "cpu_p50_ms": float(np.percentile(worked[name], 50)),
            "cpu_p99_ms": float(np.percentile(worked[name], 99)),
            "per_cpu_s": 1000 / float(np.mean(worked[name])),
            "overlap": float(np.mean(alike[name])),
        }
        for name in engines
    }


def _others() -> float:
    """Seconds that the processes which this one started have worked."""
    others = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(one.user + one.system for one in others)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--listings", type=int)
    parser.add_argument("--folder", type=Path, help="where the run of --listings is kept; default: nowhere")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument(
        "--seconds", type=float, default=600, help="of processor time, of an engine under a rule"
    )
    parser.add_argument("--load", type=float, default=600, help="seconds in which an engine has to load")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    with TemporaryDirectory(prefix="vibes-") as scratch:
        run = told.run if told.listings is None else large(told.folder or Path(scratch), told.listings)
        whole = recommend_under_rules(run, told.requests)
        print(json.dumps({"recommend": whole}), file=sys.stderr, flush=True)
        loaded, similar = measure(run, told.requests, told.seconds, told.load)
    if told.json:
        print(json.dumps({"loaded": loaded, "similar": similar, "recommend": whole}))
        return
    for name, one in loaded.items():
        print(f"{name}: {one}")
    for rule, by_engine in similar.items():
        for name, one in by_engine.items():
            said = (
                one.get("cannot")
                or "p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms, {per_s:.1f}/s, processor {cpu_p50_ms:.2f} and {cpu_p99_ms:.2f} ms, {per_cpu_s:.1f}/s, overlap {overlap:.2f} ({requests})".format(
                    **one
                )
            )
            print(f"{rule:<16}{name:<16}{said}")
    print(as_text(whole))


def large(folder: Path, listings: int) -> Path:
    """The run of so many made-up homes in a folder; made where it is not there."""
    if not (folder / "run" / "run.toml").is_file():
        sys.path.append(str(ROOT / "tests"))
        from tests.benchmarks.large_market import make_large_run

        print(f"making a market of {listings:,} listings ...", file=sys.stderr)
        make_large_run(folder, listings, looked_at=False)
    return folder / "run"


if __name__ == "__main__":
    main()
