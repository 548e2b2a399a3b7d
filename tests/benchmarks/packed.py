"""What the packed layers are worth: beside the readable model, which has torch's attention over length-sorted batches.

    python -m tests.benchmarks packed [--preset tiny mini small base] [--repeat 3]

Random weights, one thread. Rows are bare listings (10 to 30 tokens) and histories of the user encoder `cls` (mean 120 tokens, at
most 651). The sides take turns; the clock is the process's CPU time, which others on the machine disturb less; the best of the
turns counts, and of the readable model the better of two batch sizes. In bfloat16 its weights and tokens are of that type.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from tests.benchmarks.encoder import TYPES, history_lengths, ours

from helpers.machine import machine
from listing_vibes.model.config import PRESETS
from listing_vibes.model.fast.model import FastLongformer
from listing_vibes.model.longformer import Longformer
from listing_vibes.packed.batches import TOKENS, batches_by_length
from listing_vibes.packed.machine import keep_memory

#: Rows of each preset: enough for a second or so.
LISTINGS = {"tiny": 4096, "mini": 2048, "small": 1024, "base": 32}


def readable(model: Longformer, lengths: np.ndarray, tokens: int, kind: torch.dtype) -> Callable[[], object]:
    """All sequences once, padded to the longest of each batch."""
    batches = []
    for rows in batches_by_length(lengths, tokens):
        mine = torch.from_numpy(lengths[rows].copy())
        mask = torch.arange(int(mine.max())) < mine[:, None]
        batches.append((torch.randn(*mask.shape, model.config.width).to(kind) * 0.5, mask))
    return lambda: [model.encode(*batch) for batch in batches]


def measure(preset: str, repeat: int) -> list[str]:
    """A line for each kind of row and type."""
    torch.manual_seed(0)
    model = Longformer(PRESETS[preset].model_copy(update={"max_tokens": 1024})).eval()
    rng = np.random.default_rng(0)
    rows = {
        "listings": rng.integers(10, 31, LISTINGS[preset]),
        "histories": history_lengths(max(LISTINGS[preset] // 8, 4)),
    }
    work: dict[tuple[str, str, str], Callable[[], object]] = {}
    for name, kind in TYPES.items():
        plain, fast = copy.deepcopy(model).to(kind), FastLongformer(model, kind)
        for what, lengths in rows.items():
            work[what, name, "packed"] = ours(fast, lengths)
            for tokens in (TOKENS, 4 * TOKENS):
                work[what, name, f"readable {tokens}"] = readable(plain, lengths, tokens, kind)
    best = dict.fromkeys(work, np.inf)
    for _ in range(repeat):
        for key, run in work.items():
            begun = time.process_time()
            run()
            best[key] = min(best[key], time.process_time() - begun)
    found = []
    for what, lengths in rows.items():
        for name in TYPES:
            packed = best[what, name, "packed"]
            other = min(best[what, name, f"readable {tokens}"] for tokens in (TOKENS, 4 * TOKENS))
            found.append(
                f"{preset:6}{what:10}{name:8} packed {len(lengths) / packed:8.1f}/s  readable {len(lengths) / other:8.1f}/s"
                f"  {other / packed:.2f}x"
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", nargs="*", default=list(LISTINGS), choices=list(LISTINGS))
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    print(machine())
    with torch.inference_mode():
        for preset in options.preset:
            print("\n".join(measure(preset, options.repeat)), flush=True)


if __name__ == "__main__":
    main()
