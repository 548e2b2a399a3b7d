"""Exact top 30 in batches: FAISS Flat beside the int8 sketch with a float32 re-rank, and what the choice by size costs.

    python -m tests.benchmarks.retrieval RUN [--listings 1000000] [--width 256] [--queries 256] [--repeat 3]

The vectors have the spectrum of RUN's model space, stretched to the width; nothing is clustered. One thread each; the
sides take turns on the same queries, the clock is the thread's CPU time, the best of the turns counts. FAISS is
measured as its wheel comes and with its matrix product allowed (`distance_compute_blas_threshold` 20): the faster of
the two is the reference. Recall@30 is against FAISS Flat.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import faiss
import numpy as np
import torch
from tests.helpers.index_vectors import like

from helpers.machine import machine
from listing_vibes.defaults import K
from listing_vibes.run.run import Run
from listing_vibes.search.approximate import SketchIndex, choose_index, recall
from listing_vibes.search.index import ExactIndex

AS_IT_COMES = faiss.cvar.distance_compute_blas_threshold


def measure(run: Path, listings: int, width: int, asked: int, repeat: int) -> dict[str, object]:
    """Queries/s and recall of every side; the choice, what it tried and how long it took."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    vectors = like(Run.open(run).vectors("model"), listings + asked, width)
    vectors, queries = vectors[:listings], vectors[listings:]
    start = time.thread_time()
    chosen = choose_index(vectors)
    choosing = time.thread_time() - start
    flat = faiss.IndexFlatIP(width)
    flat.add(vectors)

    def faiss_flat(threshold: int) -> Callable[[], np.ndarray]:
        def search() -> np.ndarray:
            faiss.cvar.distance_compute_blas_threshold = threshold
            return flat.search(queries, K)[1]

        return search

    sides: dict[str, Callable[[], np.ndarray]] = {
        "FAISS Flat, matrix product": faiss_flat(20),
        "chosen": lambda: chosen.search(queries, K)[0],
    }
    if isinstance(chosen, SketchIndex):
        whole = SketchIndex(vectors, width)
        sides["int8, all axes"] = lambda: whole.search(queries, K)[0]
    best: dict[str, float] = {}
    found: dict[str, np.ndarray] = {}
    for turn in range(repeat):
        if turn == 0:
            sides["FAISS Flat, as it comes"] = faiss_flat(AS_IT_COMES)
        for name, search in sides.items():
            start = time.thread_time()
            found[name] = search()
            best[name] = min(best.get(name, np.inf), time.thread_time() - start)
        sides.pop("FAISS Flat, as it comes", None)  # slow: once
    truth = found["FAISS Flat, matrix product"]
    reference = min(best["FAISS Flat, matrix product"], best["FAISS Flat, as it comes"])
    single = ExactIndex(vectors)
    single.search(queries[:1], K)
    start = time.thread_time()
    for query in queries[:8]:
        single.search(query[None], K)
    return {
        "machine": machine(),
        "listings": listings,
        "width": width,
        "index": type(chosen).__name__,
        "seconds_to_choose_and_build": choosing,
        "single_query_ms": 1e3 * (time.thread_time() - start) / 8,
        "sides": {
            name: {
                "queries_per_s": asked / seconds,
                "times_faiss_flat": reference / seconds,
                "recall@30": recall(truth, found[name]),
            }
            for name, seconds in best.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--listings", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    result = measure(given.run, given.listings, given.width, given.queries, given.repeat)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
