"""How encoding grows: histories a second as there are more of them, and the time of one as it gets longer.

    python -m tests.benchmarks.encoder_growth RUN [--most 1000000] [--chunk 20000] [--preset small] [--json]

The first part encodes 1,000, 10,000, .. histories of the run, drawn with repetition, in chunks as batch scoring does, and
says the peak of the process's memory. The second times the encoder alone on histories of 16 to 1,024 tokens, window 64,
and fits time ~ length ** slope over those of 128 and more. One thread; the clock is the process's CPU time.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch

from core.insight.cost import machine
from core.model.config import PRESETS
from core.model.fast.choose import chosen
from core.model.fast.model import FastLongformer
from core.model.longformer import Longformer
from core.model.machine import keep_memory
from core.retrieval.run import Run
from tests.benchmarks.encoder import TYPES, ours

LENGTHS, TOKENS = (16, 32, 64, 128, 256, 512, 1024), 8192
STRAIGHT = 128  # shorter ones are bound by what a sequence costs


def by_users(path: Path, most: int, chunk: int) -> list[dict]:
    """Histories a second for each power of ten up to `most`."""
    run = Run.open(path)
    log, engine = run.log, run.engine
    listings = run.vectors("model")
    some = np.flatnonzero(np.diff(log.start) > 0)
    rng, rows = np.random.default_rng(0), []
    engine.encode_histories(log, log.start[some[:64]], log.start[some[:64] + 1], listings)
    for users in [10**power for power in range(3, 7) if 10**power <= most]:
        chosen_users = rng.choice(some, users)
        begun = time.process_time()
        for first in range(0, users, chunk):
            mine = chosen_users[first : first + chunk]
            engine.encode_histories(log, log.start[mine], log.start[mine + 1], listings)
        rate = users / (time.process_time() - begun)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows.append({"users": users, "users/s": rate, "peak GiB": peak})
    return rows


def by_length(preset: str, repeat: int = 3) -> dict:
    """Milliseconds of a history of each length, and the slope."""
    config = PRESETS[preset].model_copy(update={"window": 64, "max_tokens": LENGTHS[-1]})
    fast = FastLongformer(Longformer(config).eval(), TYPES["bf16" if chosen() == "bf16" else "float32"])
    work = {size: ours(fast, np.full(TOKENS // size, size)) for size in LENGTHS}
    best = dict.fromkeys(work, np.inf)
    for _ in range(repeat):
        for size, run in work.items():
            begun = time.process_time()
            run()
            best[size] = min(best[size], (time.process_time() - begun) / (TOKENS // size) * 1000)
    long = [size for size in LENGTHS if size >= STRAIGHT]
    slope = np.polyfit(np.log(long), np.log([best[size] for size in long]), 1)[0]
    return {"preset": preset, "ms by tokens": best, "slope": float(slope)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=20_000)
    parser.add_argument("--preset", default="small", choices=list(PRESETS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    with torch.inference_mode():
        result = {"machine": machine(), "threads": 1, "run": options.run.name,
                  "users": by_users(options.run, options.most, options.chunk), "length": by_length(options.preset)}  # fmt: skip
    if options.json:
        print(json.dumps(result, indent=1))
        return
    print(result["machine"])
    for row in result["users"]:
        print(f"{row['users']:>9,} users  {row['users/s']:8.0f} users/s  peak {row['peak GiB']:.2f} GiB")
    print("  ".join(f"{size}: {ms:.3g} ms" for size, ms in result["length"]["ms by tokens"].items()))
    print(f"{options.preset}: time ~ tokens ** {result['length']['slope']:.2f} from {STRAIGHT} tokens on")


if __name__ == "__main__":
    main()
