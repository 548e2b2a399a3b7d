"""The encoder's inference path beside `transformers.LongformerModel`: histories and bare listings a second, one thread.

    python -m tests.benchmarks.encoder [--preset small base] [--window 64 512] [--users 256] [--repeat 3]


Both sides have the same weights (random) and the same histories (mean 120, at most 651 tokens, items of 14 tokens).
Theirs: float32, eager, length-sorted batches of 16; a batch's time depends on its padded length alone, so one batch of
each is timed. Ours: all of them, in batches of similar length. The sides take turns; the clock is the process's CPU time, which
others on the machine disturb less; the best of the turns counts. The machine's matrix peak is measured in the same
turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from tests.helpers.machine import machine

from listing_vibes.device import CPU, keep_freed_memory, mixed_precision, multiplies_bf16
from listing_vibes.model.encoder import TOKENS_PER_BATCH, batches_by_length
from listing_vibes.model.encoder_config import PRESETS
from listing_vibes.variants.conversion import to_transformers
from listing_vibes.variants.sliding_window import SlidingWindowEncoder

ITEM, LONGEST, THEIR_BATCH, LISTINGS = 14, 651, 16, 1024
TYPES = {"float32": torch.float32} | ({"bf16": torch.bfloat16} if multiplies_bf16() else {})


def history_lengths(users: int) -> np.ndarray:
    """(users,) tokens of each history, longest first: `[CLS]` and a log-normal number of items."""
    lengths = np.exp(np.random.default_rng(0).normal(4.42, 0.8, users))
    return -np.sort(-(1 + ITEM * np.clip(np.round(lengths / ITEM), 1, (LONGEST - 1) // ITEM)).astype(int))


class Theirs:
    """`transformers` in float32, eager."""

    def __init__(self, model: SlidingWindowEncoder) -> None:
        self.model, self.width = to_transformers(model).eval(), model.config.width
        self.window = model.config.windows[0]

    def batch(self, size: int) -> Callable[[], object]:
        """One batch of rows of `size` tokens."""
        tokens = torch.randn(THEIR_BATCH, size, self.width) * 0.5
        mask, on_cls = (
            torch.ones(THEIR_BATCH, size, dtype=torch.long),
            torch.zeros(THEIR_BATCH, size, dtype=torch.long),
        )
        on_cls[:, 0] = 1
        return lambda: self.model(inputs_embeds=tokens, attention_mask=mask, global_attention_mask=on_cls)

    def sizes(self, lengths: np.ndarray) -> Counter[int]:
        """How many batches of each padded length (a multiple of the window) there are."""
        return Counter(int(-(-top // self.window) * self.window) for top in lengths[::THEIR_BATCH])


def ours(model: SlidingWindowEncoder, kind: torch.dtype, lengths: np.ndarray) -> Callable[[], object]:
    """All sequences once."""
    batches = []
    for rows in batches_by_length(lengths, TOKENS_PER_BATCH):
        size, count = int(lengths[rows].max()), len(rows)
        real = torch.arange(size) < torch.from_numpy(lengths[rows].copy())[:, None]
        place, zero = torch.arange(size).expand(count, size), torch.zeros(count, size, dtype=torch.long)
        batches.append((torch.randn(count, size, model.config.width) * 0.5, real, place, zero, zero))

    def run() -> object:
        with mixed_precision(None if kind is torch.float32 else kind, CPU):
            return [model.encode(*batch) for batch in batches]

    return run


def peak_of(kind: torch.dtype) -> Callable[[], float]:
    """GFLOP/s of a matrix product with a weight of 1024 x 1024."""
    x, layer = torch.randn(TOKENS_PER_BATCH, 1024).to(kind), torch.nn.Linear(1024, 1024, dtype=kind)

    def measured() -> float:
        begun = time.process_time()
        for _ in range(4):
            layer(x)
        return 4 * 2 * TOKENS_PER_BATCH * 1024**2 / (time.process_time() - begun) / 1e9

    return measured


def useful(model: SlidingWindowEncoder, lengths: np.ndarray) -> float:
    """GFLOP that the vectors need: linear layers and windowed attention of all but the last layer, no padding."""
    d, m, half = model.config.width, model.config.ffn, model.config.windows[0] // 2
    tokens = lengths.sum()
    seen = sum(
        int(np.minimum(np.arange(n) + half, n - 1).sum() - np.maximum(np.arange(n) - half, 0).sum() + n)
        for n in lengths
    )
    return (model.config.layers - 1) * (tokens * 2 * (4 * d * d + 2 * d * m) + 4 * seen * d) / 1e9


def measure(preset: str, window: int, users: int, repeat: int) -> dict:
    """Users and items a second of both sides, one preset and window."""
    torch.manual_seed(0)
    config = PRESETS[preset].model_copy(update={"window": window, "max_tokens": 1024})
    model = SlidingWindowEncoder(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)
    theirs, lengths, items = Theirs(model), history_lengths(users), np.full(LISTINGS, 1 + ITEM)
    sizes = theirs.sizes(lengths)
    work: dict[str, Callable[[], object]] = {
        f"theirs {size}": theirs.batch(size) for size in {*sizes, window}
    }
    peaks = {name: peak_of(kind) for name, kind in TYPES.items()}
    for name, kind in TYPES.items():
        work |= {f"users {name}": ours(model, kind, lengths), f"items {name}": ours(model, kind, items)}
    best, top = dict.fromkeys(work, np.inf), dict.fromkeys(peaks, 0.0)
    for turn in range(repeat):
        for name, run in work.items():
            print(f"{preset} {window}: turn {turn + 1} of {repeat}, {name}", file=sys.stderr)
            begun = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begun)
        top = {name: max(top[name], peak()) for name, peak in peaks.items()}
    reference = users / sum(best[f"theirs {size}"] * count for size, count in sizes.items())
    listings = THEIR_BATCH / best[f"theirs {window}"]
    found = {"preset": preset, "window": window, "tokens": float(lengths.mean()), "transformers users/s": reference,
             "transformers items/s": listings}  # fmt: skip
    for name in TYPES:
        rate, rate_items = users / best[f"users {name}"], LISTINGS / best[f"items {name}"]
        reached = useful(model, lengths) / best[f"users {name}"]
        found[name] = {
            "users/s": rate, "x": rate / reference, "items/s": rate_items, "x items": rate_items / listings,
            "GFLOP/s": reached, "peak GFLOP/s": top[name], "share of peak": reached / top[name],
        }  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", nargs="*", default=["small", "base"], choices=list(PRESETS))
    parser.add_argument("--window", nargs="*", type=int, default=[64, 512])
    parser.add_argument("--users", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with torch.inference_mode():
        speed = [measure(p, w, options.users, options.repeat) for p in options.preset for w in options.window]
    result = {
        "machine": machine(),
        "threads": 1,
        "speed": speed,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
