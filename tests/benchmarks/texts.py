"""Sentence vectors of texts a second: MiniLM in float32 beside bfloat16, and how near the vectors are.

    python -m tests.benchmarks.texts [--words 15 60 240] [--texts 32] [--repeat 3] [--json]

Made texts of so many words, one thread, in turns; the clock is the process's CPU time, the best turn counts. MiniLM reads
at most 256 tokens of a text.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from core.device import has_bf16
from core.features.texts.encoder import load_text_encoder
from core.model.machine import keep_memory
from core.serving.cost.measure import machine

WORDS = "the bright quiet flat by the harbour with a view of the old town and its garden has two rooms"


def measure(words: int, texts: int, repeat: int) -> dict[str, float]:
    """Milliseconds a text of both sides, and the least cosine between their vectors."""
    rng = np.random.default_rng(words)
    asked = [" ".join(rng.choice(WORDS.split(), words)) for _ in range(texts)]
    exact = load_text_encoder()
    sides = {"float32": exact} | ({"bf16": exact.halved} if has_bf16() else {})
    best, vectors = dict.fromkeys(sides, np.inf), {}
    for _ in range(1 + repeat):  # the first turn warms up
        for name, encoder in sides.items():
            begun = time.process_time()
            vectors[name] = encoder.encode(asked)
            best[name] = min(best[name], time.process_time() - begun)
    found = {"words": words} | {f"{name} ms": 1000 * seconds / texts for name, seconds in best.items()}
    if "bf16" in sides:
        found["x"] = best["float32"] / best["bf16"]
        found["least cosine"] = float((vectors["float32"] * vectors["bf16"]).sum(axis=1).min())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", nargs="*", type=int, default=[15, 60, 240])
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    rows = [measure(words, given.texts, given.repeat) for words in given.words]
    if given.json:
        print(json.dumps({"machine": machine(), "texts": rows}, indent=1))
        return
    print(machine())
    for row in rows:
        print("  ".join(f"{name} {value:.6g}" for name, value in row.items()))


if __name__ == "__main__":
    main()
