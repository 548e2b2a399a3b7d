"""Evaluating a market of many listings: what a query costs where weights are tried, where lists are taken, and in all.

    python -m tests.benchmarks.evaluation [--listings 18000] [--queries 1000] [--repeat 3] [--json]

Made scores and events. "weights": the ranks of 11 weighted sums of two scorers, beside each sum made whole and compared.
"lists": the best 30 of each query, beside numpy's partition of all scores. Both sides give the same and take turns; the
best turn counts. "nearest": the greatest cosine of each listing to one of the history's newest 50, of one user at several
moments and of several users, beside all cosines reduced at once, to the same values but for rounding. "whole": a model, what serving adds (fitted), popularity, ItemKNN and two kinds of neighbours, once. One
thread, CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from helpers.machine import machine
from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.evaluation.run_evaluation import with_serving
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import FOREVER, Catalogue, make_split
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.baselines.recent_popularity import RecentPopularity
from listing_vibes.scoring.blend import WEIGHTS
from listing_vibes.scoring.late_interaction import NEWEST, add_nearest
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.ranking import pessimistic_ranks, ranks_of_sums, top
from listing_vibes.scoring.scorer import VectorScorer

BATCH, K, DAY = 256, 30, 24 * 3600 * 10**9


def seconds_of(work: Callable[[], object]) -> float:
    """CPU seconds."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def parts(listings: int, repeat: int) -> dict[str, float]:
    """Milliseconds a query of both sides, of trying weights and of taking lists."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(BATCH, listings)).astype(np.float32)
    beside = np.log1p(rng.poisson(0.5, own.shape)).astype(np.float32)
    weights, allowed = np.array(WEIGHTS, np.float32), rng.random(own.shape) < 0.98
    target = allowed.argmax(axis=1)

    def whole() -> np.ndarray:
        sums = (own + weight * beside for weight in weights)
        return np.column_stack(
            [((s >= s[np.arange(BATCH), target][:, None]) & allowed).sum(axis=1) for s in sums]
        )

    def partitioned() -> np.ndarray:
        open_scores = np.where(allowed, own, -np.inf)
        return open_scores >= np.partition(open_scores, listings - K, axis=1)[:, listings - K, None]

    def marked(rows: np.ndarray, listings: np.ndarray) -> np.ndarray:
        shown = np.zeros(own.shape, bool)
        shown[rows, listings] = True
        return shown

    sides: dict[str, Callable[[], np.ndarray]] = {
        "weights, whole": whole,
        "weights": lambda: ranks_of_sums(own, beside, weights, allowed, target),
        "lists, partition": partitioned,
        "lists": lambda: marked(*top(own, allowed, K)),
    }
    if not np.array_equal(whole(), sides["weights"]()) or not np.array_equal(partitioned(), sides["lists"]()):
        raise SystemExit("the sides differ")
    if not np.array_equal(whole()[:, 0], pessimistic_ranks(own, allowed, target)):
        raise SystemExit("the ranks differ")
    return in_turn(sides, BATCH, repeat)


def in_turn(sides: dict[str, Callable[[], np.ndarray]], queries: int, repeat: int) -> dict[str, float]:
    """Milliseconds a query of each side, its best turn."""
    best = dict.fromkeys(sides, np.inf)
    for _ in range(repeat):
        for name, work in sides.items():
            best[name] = min(best[name], seconds_of(work))
    return {f"{name}, ms a query": 1000 * seconds / queries for name, seconds in best.items()}


def nearest(listings: int, repeat: int) -> dict[str, float]:
    """Milliseconds a query of both sides, of late interaction's greatest cosine."""
    queries, width = 32, 128
    rng, log = np.random.default_rng(0), made_log(listings, users=500)
    vectors = rng.normal(size=(listings, width)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    moments = log.start[0] + NEWEST + np.arange(queries)  # of one user
    ends = {"one user": moments, "users": log.start[1 : queries + 1]}

    def at_once(end: np.ndarray) -> np.ndarray:
        rows = (end[:, None] - NEWEST + np.arange(NEWEST)).ravel()
        like = vectors[log.listing[rows]] @ vectors.T  # (Q * 50, L)
        return np.maximum.reduceat(like, np.arange(queries) * NEWEST, axis=0)

    def one_by_one(end: np.ndarray) -> np.ndarray:
        found = np.zeros((queries, listings), np.float32)
        add_nearest(found, 1.0, vectors, vectors, log, end - NEWEST, end)
        return found

    sides: dict[str, Callable[[], np.ndarray]] = {}
    for who, end in ends.items():
        if not np.allclose(at_once(end), one_by_one(end), atol=1e-6):
            raise SystemExit("the greatest cosines differ")
        sides[f"nearest, {who}, at once"] = partial(at_once, end)
        sides[f"nearest, {who}"] = partial(one_by_one, end)
    return in_turn(sides, queries, repeat)


def made_log(listings: int, users: int = 12_000, events: int = 150_000, days: int = 60) -> EventLog:
    """Events on listings of which some are touched far more often than others."""
    rng = np.random.default_rng(0)
    user, when = rng.integers(0, users, events), rng.integers(0, days * 24 * 3600, events) * 10**9
    order = np.lexsort((when, user))
    user = user[order]
    return EventLog(
        user=user.astype(np.int32), listing=(rng.zipf(1.3, events) % listings).astype(np.int32), time=when[order],
        action=np.zeros(events, np.int16), duration=np.full(events, np.nan, np.float32),
        start=np.searchsorted(user, np.arange(users + 1)), users=[f"user-{n}" for n in range(users)],
        actions=["view"], listings=listings, timed=True,
    )  # fmt: skip


def whole(listings: int, queries: int) -> dict[str, float]:
    """CPU seconds of fitting what serving adds, and of evaluating all scorers on so many queries."""
    rng, log = np.random.default_rng(0), made_log(listings)
    catalogue = Catalogue(np.zeros(listings, np.int64), np.full(listings, FOREVER))
    split = make_split(log, catalogue)
    space = [rng.normal(size=(listings, width)).astype(np.float32) for width in (64, 256, 512)]
    unit = space[0] / np.linalg.norm(space[0], axis=1, keepdims=True)
    model = VectorScorer("model", unit, lambda start, end: unit[log.listing[end - 1]], log)
    first = [one.tune(log, split, catalogue) for one in (Popularity, RecentPopularity, ItemKNN)]
    near = [
        VectorNeighbors.of(vectors, log, name=name)
        for name, vectors in zip(("attribute neighbors", "photo neighbors"), space[1:], strict=True)
    ]
    begun = time.process_time()
    rows = with_serving(model, first, near, log, split, catalogue)
    fitted = time.process_time()
    evaluate([*rows, *first, *near], log, split, catalogue, split.test.take(slice(0, queries)))
    return {"fit, s": fitted - begun, f"evaluate {queries} queries, s": time.process_time() - fitted}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listings", type=int, default=18_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = parts(given.listings, given.repeat) | nearest(given.listings, given.repeat)
    found |= whole(given.listings, given.queries)
    if given.json:
        print(json.dumps({"machine": machine(), "listings": given.listings} | found, indent=1))
        return
    print(f"{machine()}, {given.listings:,} listings")
    print("\n".join(f"{name}: {value:.3g}" for name, value in found.items()))


if __name__ == "__main__":
    main()
