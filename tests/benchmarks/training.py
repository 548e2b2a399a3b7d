"""Training beside the same loop on `transformers.LongformerModel`: histories a second on one thread.

    python -m tests.benchmarks.training [--preset small] [--batch 64] [--fresh 256] [--steps 6]

One generated market (items of 14 tokens, histories of about 115 and at most 701), `history = "cls"`, window 64, the
batches, negatives, loss and optimiser of `vibes train`. Theirs: float32, eager, attention as they ship it, rows padded
to a multiple of the window. Ours: the type that this machine is fast in. The sides take turns step by step; the clock
is the process's CPU time, which others on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tests.helpers import small_market
from torch import Tensor, nn

from helpers.machine import machine
from listing_vibes.device import has_bf16
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.market.writer import write_market
from listing_vibes.model.convert import PADDING, to_transformers
from listing_vibes.model.model import ListingEncoder
from listing_vibes.model.settings import Resolved
from listing_vibes.model.variants import build_model
from listing_vibes.progress import silent
from listing_vibes.run.engine import make_inputs
from listing_vibes.training.examples import make_examples
from listing_vibes.training.optimize import Optimization
from listing_vibes.training.step_data import StepData

LISTINGS, USERS = 2000, 1500


def generate(path: Path) -> None:
    """A market whose users look at 2 to 60 homes, four of five in one district."""
    small_market.generate(path, LISTINGS, users=1)
    made = Market.open(path)
    rng, homes = np.random.default_rng(0), made.listings.drop(columns=[C.PUBLISHED, C.EXPIRES])
    district = homes["district"].astype("category").cat.codes.to_numpy()
    rows = []
    for user in range(USERS):
        count = int(np.clip(np.exp(rng.normal(2.45, 0.7)), 2, 60))
        liked = np.flatnonzero(district == rng.integers(district.max() + 1))
        chosen = np.where(rng.random(count) < 0.8, rng.choice(liked, count), rng.integers(0, LISTINGS, count))
        rows += [(f"user-{user}", homes[C.LISTING].iat[home], place) for place, home in enumerate(chosen)]
    write_market(path, made.config, homes, None, pd.DataFrame(rows, columns=[C.USER, C.LISTING, C.POSITION]))


class Theirs(nn.Module):
    """`transformers` with the weights of a `Longformer` and in its place."""

    def __init__(self, ours: ListingEncoder) -> None:
        super().__init__()
        self.config, self.item_position, self.theirs = (
            ours.config,
            ours.item_position,
            to_transformers(ours),
        )

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor,
        positions: Tensor,
        token_type: Tensor,
        item_position: Tensor,
        cls_only: bool = True,
    ) -> Tensor:
        """As `ListingEncoder.forward`: (B, S, d)."""
        on_cls = torch.zeros_like(mask, dtype=torch.long)
        on_cls[:, 0] = 1
        found = self.theirs(
            inputs_embeds=tokens + self.item_position(item_position),
            attention_mask=mask.long(),
            global_attention_mask=on_cls,
            token_type_ids=token_type,
            position_ids=positions + PADDING + 1,
        )
        return found.last_hidden_state


class Side:
    """One training, step by step."""

    def __init__(self, market: Market, settings: Resolved, theirs: bool, run: Path) -> None:
        log, catalogue = EventLog.from_market(market), Catalogue.of(market)
        split = make_split(log, catalogue)
        warm = np.flatnonzero(log.counts(split.train) > 0)
        width = settings.encoder_config().width
        featurizer = Featurizer.fit(market, settings.features, width, warm, log.duration, None)
        inputs = make_inputs(featurizer, featurizer.transform(market, None), log, settings)
        torch.manual_seed(0)
        model = build_model(featurizer.vocabulary, settings)
        if theirs:
            model.longformer = Theirs(model.longformer)  # type: ignore[assignment]
        examples = make_examples(log, split, settings.training.positives)
        data = StepData(examples, log, catalogue, inputs, warm, split.protocol == "temporal", 0)
        self.training = Optimization(model, data, settings, run, lambda model: math.nan, silent, resume=False)
        self.training.first_step, self.training.started = 0, time.monotonic()
        model.train()
        self.batches = self.training._start_epoch(0)
        self.seconds: list[float] = []
        self.bank_seconds: list[float] = []

    def step(self, number: int) -> None:
        """Train on batch `number`."""
        if self.training.bank is None:
            begun = time.process_time()
            self.training.bank = self.training._encode_bank()
            self.training.state.bank_step = 0
            self.bank_seconds.append(time.process_time() - begun)
        begun = time.process_time()
        self.training._step(self.batches[number % len(self.batches)])
        self.seconds.append(time.process_time() - begun)


def settings(preset: str, batch: int, fresh: int, bf16: bool, dropout: float) -> Resolved:
    """Those of `vibes train`, with the sizes asked for."""
    return Resolved.model_validate(
        {
            "preset": preset,
            "history": "cls",
            "encoder": {"dropout": dropout, "window": 64},
            "features": FeatureConfig(text=False),
            "training": {"batch": batch, "fresh": fresh, "bf16": bf16},
        }
    )


def speed(market: Market, folder: Path, preset: str, batch: int, fresh: int, steps: int) -> dict[str, Any]:
    """Histories a second of both sides."""
    sides = {
        name: Side(market, settings(preset, batch, fresh, bf16, 0.1), name == "transformers", folder / name)
        for name, bf16 in (("transformers", False), ("ours", has_bf16()))
    }
    for number in range(steps + 1):  # the first one is to warm up
        for side in sides.values():
            side.step(number)
    rates = {name: batch * steps / sum(side.seconds[1:]) for name, side in sides.items()}
    mine = sides["ours"]
    inputs, used = mine.training.data.inputs, [mine.batches[number] for number in range(1, steps + 1)]
    tokens = np.concatenate([inputs.history_lengths(b.first, b.end) for b in used])
    bank, step = mine.bank_seconds[0] / mine.training.bank_every, float(np.mean(mine.seconds[1:]))
    return {
        "preset": preset, "batch": batch, "fresh": fresh, "steps": steps, "bf16": has_bf16(),
        "tokens mean": float(tokens.mean()), "tokens max": int(tokens.max()),
        **{f"{name} histories/s": rate for name, rate in rates.items()},
        "x": rates["ours"] / rates["transformers"],
        "bank every": mine.training.bank_every, "bank share of a step": bank / (bank + step),
    }  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small")
    for name, value in (("batch", 64), ("fresh", 256), ("steps", 6)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        generate(folder / "market")
        market = Market.open(folder / "market")
        found = {
            "machine": machine(),
            **speed(market, folder, asked.preset, asked.batch, asked.fresh, asked.steps),
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
