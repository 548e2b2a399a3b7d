"""Users a second by how a history is read, at each model size and length of history: the default reader with the
listings' vectors at hand and without, beside `cls`.

    python -m tests.benchmarks.readers [--preset base small mini tiny] [--lengths 8 32 50] [--seconds 1] [--repeat 3]
        [--json]

A made market of listings with ten attributes (11 tokens with `[CLS]`), random weights, the inference path that a run
would take, one thread. "at hand": vectors of all listings are given (made ones), as a service and `vibes recommend --all` have them.
"without": nothing is, and no two users share a listing, so that every listing of every history is encoded. All cases take
turns; the clock is the process's CPU time; the best turn counts. A turn asks as many users as take about `--seconds`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
import torch

from helpers.machine import machine
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.units import unit_rows
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.packed.machine import keep_memory
from listing_vibes.run.engine import Engine

LISTINGS, USERS = 6_000, 8_192
#: What the work that introduced the recommender reports of a model of base size, `cls`, on a 2080Ti.
PUBLISHED = 21.4
Case = tuple[Literal["listing-vectors", "cls"], bool]  # reader, whether the listings' vectors are at hand
CASES: dict[str, Case] = {
    "at hand": ("listing-vectors", True),
    "without": ("listing-vectors", False),
    "cls": ("cls", False),
}


def made_market() -> Market:
    """Listings of five categories and five numbers."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"listing_id": [f"home-{number}" for number in range(LISTINGS)]})
    for name in ("kind", "city", "heating", "style", "floor"):
        table[name] = rng.choice([f"{name} {value}" for value in "abcdefgh"], LISTINGS)
    for name in ("price", "rooms", "area", "beds", "age"):
        table[name] = rng.integers(2, 500, LISTINGS).astype(float)
    return Market.from_frames(table)


def histories(length: int) -> EventLog:
    """`USERS` histories of one length; as many users behind one another as there are listings for share none."""
    rng = np.random.default_rng(length)
    apart = LISTINGS // length
    rows = [rng.permutation(LISTINGS)[: apart * length] for _ in range(-(-USERS // apart))]
    listing = np.concatenate(rows)[: USERS * length].astype(np.int32)
    count = len(listing)
    return EventLog(
        user=np.repeat(np.arange(USERS, dtype=np.int32), length), listing=listing,
        time=np.tile(np.arange(length, dtype=np.int64), USERS), action=np.full(count, -1, np.int16),
        duration=np.full(count, np.nan, np.float32), start=np.arange(0, count + 1, length),
        users=[f"user-{number}" for number in range(USERS)], actions=[], listings=LISTINGS, timed=False,
    )  # fmt: skip


def engine_of(market: Market, preset: str, reader: str) -> Engine:
    """An untrained model over the market."""
    settings = Resolved.model_validate(
        {"preset": preset, "history": reader, "features": {"photos": 0, "text": False}}
    )
    torch.manual_seed(0)
    width, rows = settings.encoder_config().width, np.arange(LISTINGS)
    featurizer = Featurizer.fit(market, FeatureConfig(photos=0, text=False), width, rows, np.empty(0), None)
    model = ListingModel.of(featurizer.vocabulary, settings).eval()
    return Engine(model, featurizer, featurizer.transform(market, None), settings)


def asked(engine: Engine, log: EventLog, vectors: np.ndarray | None) -> Callable[[int], None]:
    """Encodes the first users of the log."""
    return (
        lambda users: engine.encode_histories(  # type: ignore[return-value]
            log, log.start[:users], log.start[1 : users + 1], vectors
        )
    )


def seconds_of(work: Callable[[int], None], users: int) -> float:
    """CPU seconds."""
    begun = time.process_time()
    work(users)
    return time.process_time() - begun


def measure(market: Market, preset: str, lengths: list[int], seconds: float, repeat: int) -> list[dict]:
    """A row a length: users a second of every case."""
    engines = {reader: engine_of(market, preset, reader) for reader, _ in CASES.values()}
    width = engines["listing-vectors"].featurizer.width
    vectors = unit_rows(np.random.default_rng(0).normal(size=(LISTINGS, width)).astype(np.float32))
    logs = {length: histories(length) for length in lengths}
    work = {
        (length, name): asked(engines[reader], log, vectors if at_hand else None)
        for length, log in logs.items()
        for name, (reader, at_hand) in CASES.items()
    }
    users = {}
    for (length, name), run in work.items():
        most = USERS if name == "at hand" else LISTINGS // length
        some = 4
        run(some)
        while some < most and seconds_of(run, some) < seconds / 2:
            some = min(2 * some, most)
        users[length, name] = some
    best = dict.fromkeys(work, np.inf)
    for turn in range(repeat):
        for case, run in work.items():
            print(f"{preset}: turn {turn + 1} of {repeat}, {case}, {users[case]} users", file=sys.stderr)
            best[case] = min(best[case], seconds_of(run, users[case]))
    return [
        {"preset": preset, "events": length, "path": engines["cls"].path}
        | {name: users[length, name] / best[length, name] for name in CASES}
        for length in lengths
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", nargs="*", default=["base", "small", "mini", "tiny"])
    parser.add_argument("--lengths", nargs="*", type=int, default=[8, 32, 50])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    market = made_market()
    with torch.inference_mode():
        rows = [
            row
            for preset in given.preset
            for row in measure(market, preset, given.lengths, given.seconds, given.repeat)
        ]
    result = {"machine": machine(), "published": PUBLISHED, "users/s": rows}
    if given.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['machine']}; published, base, cls, a 2080Ti: {PUBLISHED} users/s")
    for row in rows:
        rates = "  ".join(f"{name} {row[name]:,.1f}" for name in CASES)
        print(f"{row['preset']:6} {row['events']:3} events  {rates}  ({row['path']})")


if __name__ == "__main__":
    main()
