"""How scoring grows: with the number of users, with the length of a history and with the number of listings.

    python -m tests.benchmarks.encoder_growth RUN [--most 1000000] [--listings 1000000] [--chunk 20000]
        [--preset small] [--out FOLDER] [--json]

Users: 1,000, 10,000, .. and `--most` histories of the run, drawn with repetition, are encoded and their top 30 found in
chunks, as batch scoring does; each number in a process of its own, whose peak memory is what the system saw of it,
after 1,000 others that warm it up.
History: the encoder alone on rows of 16 to 1,024 tokens, window 64. Listings: the top 30 of 256 users among vectors of
the run's spectrum, by the index that the run would choose. Each slope, of cost ~ size ** slope, is fitted over all sizes.
One thread; the clock is the process's CPU time. `--out` takes growth.png and growth.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from tests.benchmarks.encoder import TYPES, ours
from tests.helpers.index_vectors import like

from helpers.machine import machine
from listing_vibes.model.config import PRESETS
from listing_vibes.model.fast.choose import chosen
from listing_vibes.model.fast.model import FastLongformer
from listing_vibes.model.longformer import Longformer
from listing_vibes.packed.machine import keep_memory
from listing_vibes.run.run import Run
from listing_vibes.search.index.choose import K, choose

LENGTHS, TOKENS = (16, 32, 64, 128, 256, 512, 1024), 8192
QUERIES, WARM = 256, 1_000


def powers(most: int) -> list[int]:
    """1,000, 10,000, .. below `most`, and `most`."""
    return [10**power for power in range(3, 9) if 10**power < most] + [most]


@torch.inference_mode()
def score_users(path: Path, users: int, chunk: int) -> dict:
    """Users a second of so many histories of the run, encoded and scored, and the peak of this process's memory."""
    torch.set_num_threads(1)
    run = Run.open(path)
    log, engine, listings = run.log, run.engine, run.vectors("model")
    index = run.batch_index("model")
    some = np.flatnonzero(np.diff(log.start) > 0)
    drawn = np.random.default_rng(0).choice(some, WARM + users)
    warm, drawn = drawn[:WARM], drawn[WARM:]
    engine.encode_histories(log, log.start[warm], log.start[warm + 1], listings)
    begun = time.process_time()
    for first in range(0, users, chunk):
        mine = drawn[first : first + chunk]
        vectors = engine.encode_histories(log, log.start[mine], log.start[mine + 1], listings)
        index.search(vectors, K)
    rate = users / (time.process_time() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"users": users, "users/s": rate, "peak GiB": peak}


def by_users(path: Path, most: int, chunk: int) -> list[dict]:
    """`score_users` of each number, in a process of its own."""
    rows = []
    for users in powers(most):
        print(f"{users:,} users", file=sys.stderr)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            rows.append(pool.submit(score_users, path, users, chunk).result())
    return rows


def by_length(preset: str, repeat: int = 3) -> list[dict]:
    """Milliseconds of a history of each length."""
    config = PRESETS[preset].model_copy(update={"window": 64, "max_tokens": LENGTHS[-1]})
    fast = FastLongformer(Longformer(config).eval(), TYPES["bf16" if chosen().name == "bf16" else "float32"])
    work = {size: ours(fast, np.full(TOKENS // size, size)) for size in LENGTHS}
    best = dict.fromkeys(work, np.inf)
    for _ in range(repeat):
        for size, run in work.items():
            begun = time.process_time()
            run()
            best[size] = min(best[size], (time.process_time() - begun) / (TOKENS // size) * 1000)
    return [{"tokens": size, "ms": ms} for size, ms in best.items()]


def by_listings(trained: np.ndarray, most: int, repeat: int = 3) -> list[dict]:
    """Milliseconds of a user's top 30 among so many listings."""
    rows = []
    for listings in powers(most):
        print(f"{listings:,} listings", file=sys.stderr)
        vectors = like(trained, listings + QUERIES, trained.shape[1])
        found, best = choose(vectors[:listings]), np.inf
        for _ in range(repeat):
            begun = time.process_time()
            found.index.search(vectors[listings:], K)
            best = min(best, (time.process_time() - begun) / QUERIES * 1000)
        rows.append({"listings": listings, "ms": best, "index": found.kind})
    return rows


def slope(size: list[float], cost: list[float]) -> float:
    """The exponent of cost ~ size ** exponent."""
    return float(np.polyfit(np.log(size), np.log(cost), 1)[0])


def draw(result: dict, path: Path) -> None:
    """The three curves side by side, each with its slope."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    panels = (("users", "users/s"), ("tokens", "ms"), ("listings", "ms"))
    for axes, (part, cost) in zip(figure.subplots(1, 3), panels, strict=True):
        sizes, costs = ([row[name] for row in result[part]] for name in (part, cost))
        axes.loglog(sizes, costs, "o-", color="#0b7a75")
        axes.set(xlabel=f"{part} of a history" if part == "tokens" else part, ylabel=cost)
        axes.set_title(f"slope {result['slopes'][part]:.2f}")
        axes.set_ylim(min(costs) / 2, max(costs) * 2)
        axes.grid(alpha=0.3)
    figure.suptitle(f"{result['run']}, {result['preset']} encoder, one thread: {result['machine']}", size=9)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--listings", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=20_000)
    parser.add_argument("--preset", default="small", choices=list(PRESETS))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    result: dict = {"machine": machine(), "threads": 1, "run": options.run.name, "preset": options.preset}
    result["users"] = by_users(options.run, options.most, options.chunk)
    with torch.inference_mode():
        result["tokens"] = by_length(options.preset)
    result["listings"] = by_listings(Run.open(options.run).vectors("model"), options.listings)
    result["slopes"] = {
        part: slope([row[part] for row in result[part]], [row[cost] for row in result[part]])
        for part, cost in (("users", "users/s"), ("tokens", "ms"), ("listings", "ms"))
    }
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "growth.json").write_text(json.dumps(result, indent=1))
        draw(result, options.out / "growth.png")
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(result["machine"])
    for row in result["users"]:
        print(f"{row['users']:>9,} users     {row['users/s']:8.0f} users/s  peak {row['peak GiB']:.2f} GiB")
    for row in result["tokens"]:
        print(f"{row['tokens']:>9,} tokens    {row['ms']:.3g} ms")
    for row in result["listings"]:
        print(f"{row['listings']:>9,} listings  {row['ms']:.3g} ms a user, {row['index']}")
    for part, found in result["slopes"].items():
        print(f"slope over {part}: {found:.2f}")


if __name__ == "__main__":
    main()
