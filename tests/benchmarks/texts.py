"""Sentence vectors of texts a second: MiniLM by `transformers` as it comes beside ours, and how near the vectors are.

    python -m tests.benchmarks.texts [MARKET] [--texts 400] [--words 240] [--repeat 3]

The titles and descriptions of MARKET (by default the demo), listing by listing, as many as asked; with `--words` also made
texts of so many words. Theirs: float32, eager, batches of 32 as the texts come, and the same sorted by length, which is
what `sentence-transformers` does. Ours: `embed_texts` into an empty cache, which embeds twins once, in float32 and, where
the processor has instructions for it, in bfloat16. One thread, in turns; the clock is the process's CPU time, loading left
out; the best turn counts. MiniLM reads at most 256 tokens of a text.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.machine import machine
from listing_vibes.features.texts.encoder import embed_texts, load_text_encoder
from listing_vibes.market.market import Market

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"
WORDS = "the bright quiet flat by the harbour with a view of the old town and its garden has two rooms"
BATCH = 32


def of_market(path: Path, count: int) -> list[str]:
    """The first `count` titles and descriptions, listing by listing."""
    listings = Market.open(path).listings
    columns = [name for name in ("title", "description") if name in listings]
    cells = listings[columns].to_numpy(dtype=object).ravel()
    return [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()][:count]


def made(words: int, count: int) -> list[str]:
    """`count` texts of `words` words."""
    rng = np.random.default_rng(words)
    return [" ".join(rng.choice(WORDS.split(), words)) for _ in range(count)]


def plain(model: Any, tokenizer: Any, texts: list[str]) -> np.ndarray:
    """(N, 384) vectors as the model's card says, in batches as the texts come."""
    parts = []
    for first in range(0, len(texts), BATCH):
        tokens = tokenizer(
            texts[first : first + BATCH], padding=True, truncation=True, max_length=256, return_tensors="pt"
        )
        with torch.inference_mode():
            states, mask = model(**tokens).last_hidden_state, tokens["attention_mask"].unsqueeze(-1).float()
            pooled = (states * mask).sum(1) / mask.sum(1)
        parts.append(torch.nn.functional.normalize(pooled, dim=1).numpy())
    return np.concatenate(parts)


def measure(name: str, texts: list[str], repeat: int) -> dict[str, Any]:
    """CPU milliseconds a text of every side, how often the plain one's speed, and the least cosine to its vectors."""
    from transformers import AutoModel, AutoTokenizer

    exact = load_text_encoder()
    model = AutoModel.from_pretrained(exact.folder, attn_implementation="eager", local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(exact.folder, local_files_only=True)
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
    sides: dict[str, Callable[[], np.ndarray]] = {
        "transformers": lambda: plain(model, tokenizer, texts),
        "length-sorted": lambda: plain(model, tokenizer, [texts[row] for row in order])[np.argsort(order)],
        "float32": lambda: embed_texts(texts, encoder=exact),
    }
    best, vectors = dict.fromkeys(sides, np.inf), {}
    for turn in range(1 + repeat):  # the first turn warms up
        for side, run in sides.items():
            begun = time.process_time()
            vectors[side] = run()
            best[side] = min(best[side], time.process_time() - begun if turn else np.inf)
    pieces = [len(one) for one in tokenizer(texts, truncation=True, max_length=256)["input_ids"]]
    return {
        "texts": name,
        "count": len(texts),
        "distinct": len(set(texts)),
        "tokens": {"mean": float(np.mean(pieces)), "most": max(pieces)},
        "sides": {
            side: {
                "ms": 1000 * seconds / len(texts),
                "x": best["transformers"] / seconds,
                "least cosine": float((vectors[side] * vectors["transformers"]).sum(axis=1).min()),
                "largest difference": float(np.abs(vectors[side] - vectors["transformers"]).max()),
            }
            for side, seconds in best.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("market", type=Path, nargs="?", default=DEMO)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--words", nargs="*", type=int, default=[])
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measure(given.market.name, of_market(given.market, given.texts), given.repeat)]
    rows += [measure(f"{words} words", made(words, BATCH), given.repeat) for words in given.words]
    print(json.dumps({"machine": machine(), "texts": rows}, indent=1))


if __name__ == "__main__":
    main()
