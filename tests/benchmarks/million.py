"""A market of a million listings and a million users without photos: embedded, indexed, every list made; time and memory.

    python -m tests.benchmarks.million FOLDER [--listings N] [--users N] [--seconds 600] [--only-market]

Each stage is the command itself in a process of its own, whose peak memory is what the system saw of it (wait4). A stage
of lists that is not through after `--seconds` is killed and projected from the files that are there. Seconds of the
clock depend on what else the machine does; processor seconds hardly do.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tests.benchmarks.stages import stage

from helpers.machine import machine
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.training.train import train

FIRST_DAY = pd.Timestamp("2025-01-06", tz="UTC")
DAYS, CITIES, SELLERS = 60, 400, 50_000
EVENTS = 5  # a user, on average
SMALL = (2_000, 1_000)  # listings and users that the model learns from
AMENITIES = np.array(["wifi", "lift", "garden", "parking", "sauna", "fireplace", "balcony", "terrace"])


def homes(rng: np.random.Generator, count: int) -> pd.DataFrame:
    """`count` listings whose place, size and price go together, city by city."""
    city = np.sort(rng.integers(0, CITIES, count))
    area = np.round(np.exp(rng.normal(4.2, 0.45, count)))
    have = rng.random((count, len(AMENITIES))) < 0.35
    return pd.DataFrame(
        {
            C.LISTING: np.char.add("h", np.arange(count).astype(str)),
            "city": np.char.add("city ", city.astype(str)),
            "kind": rng.choice(["flat", "house", "studio", "villa", "loft"], count),
            "seller": np.char.add("seller ", rng.integers(0, SELLERS, count).astype(str)),
            "area": area,
            "rooms": np.maximum(1, area // 25 + rng.integers(-1, 2, count)),
            "price": np.round(area * (8 + city % 17) * np.exp(rng.normal(0, 0.2, count))),
            "year": rng.integers(1890, 2025, count),
            "furnished": rng.random(count) < 0.4,
            "amenities": ["|".join(AMENITIES[row]) for row in have],
            C.LATITUDE: 48 + city // 20 / 10 + rng.normal(0, 0.01, count),
            C.LONGITUDE: 8 + city % 20 / 10 + rng.normal(0, 0.01, count),
        }
    )  # fmt: skip


def named(letter: str, number: np.ndarray) -> pa.Array:
    """Ids such as "h12"."""
    return pc.binary_join_element_wise(letter, pa.array(number).cast(pa.string()), "")


def config(name: str) -> MarketConfig:
    """What the columns mean."""
    kinds = {
        "city": "category", "kind": "category", "area": "number", "rooms": "number", "price": "number",
        "year": "number", "furnished": "flag", "amenities": "multi",
    }  # fmt: skip
    return MarketConfig(
        name=name,
        actions=["view", "message"],
        attributes={key: AttributeConfig(kind=kind) for key, kind in kinds.items()},  # type: ignore[arg-type]
        excluded=["seller"],
    )


def events(rng: np.random.Generator, path: Path, listings: int, users: int, each: int = EVENTS) -> int:
    """Write events, `each` a user on average, of users who look around in one region of the table, 100,000 users at a time."""
    schema = pa.schema(
        [
            (C.USER, pa.string()),
            (C.LISTING, pa.string()),
            (C.TIMESTAMP, pa.timestamp("us", "UTC")),
            (C.ACTION, pa.string()),
        ]
    )
    total = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, users, 100_000):
            number = np.arange(first, min(first + 100_000, users))
            count = 1 + rng.poisson(each - 1, len(number))
            user = np.repeat(number, count)
            near = (
                np.repeat(rng.integers(0, listings, len(number)), count) + rng.integers(0, 500, len(user))
            ) % listings
            moment = FIRST_DAY.value // 1000 + rng.integers(0, DAYS * 86_400_000_000, len(user))
            batch = {
                C.USER: named("u", user),
                C.LISTING: named("h", near),
                C.TIMESTAMP: pa.array(moment, pa.int64()).cast(schema.field(C.TIMESTAMP).type),
                C.ACTION: np.where(rng.random(len(user)) < 0.1, "message", "view"),
            }
            writer.write_table(pa.table(batch, schema))
            total += len(user)
    return total


def make_market(folder: Path, listings: int, users: int, each: int, rng: np.random.Generator) -> None:
    """Write `folder/market`, and `folder/new` with ten more homes and 100 more events; what is there is kept."""
    if (folder / "market" / "events.parquet").is_file():
        return
    write_market(folder / "market", config("A million homes"), homes(rng, listings), None, None)
    events(rng, folder / "market" / "events.parquet", listings, users, each)
    new, some = folder / "new", np.random.default_rng(1)
    for name in ("listings", "events"):
        (new / name).mkdir(parents=True, exist_ok=True)
    fresh = homes(some, 10)
    fresh[C.LISTING] = "new " + fresh[C.LISTING]
    fresh.to_parquet(new / "listings" / "a.parquet")
    events(some, new / "events" / "a.parquet", listings, 100, 1)


def make(folder: Path, listings: int, users: int) -> dict[str, float]:
    """Write `folder/market` and train `folder/small-run` on a market like it; what is there is kept."""
    rng = np.random.default_rng(0)
    make_market(folder, listings, users, EVENTS, rng)
    if not (folder / "small-run" / "run.toml").is_file():
        write_market(folder / "small", config("Some homes"), homes(rng, SMALL[0]), None, None)
        events(rng, folder / "small" / "events.parquet", *SMALL)
        settings = Resolved(
            preset="tiny",
            history="listing-vectors",
            features=FeatureConfig(text=False),
            training=ResolvedTraining(max_steps=60, warmup=10, validate_every=30),
        )
        train(Market.open(folder / "small"), folder / "small-run", settings, None)
    return {"listings": listings, "users": users}


def lists(arguments: list[str], out: Path, limit: float, each: int) -> dict[str, float]:
    """A stage of lists, with its rate between its first and its last file, and the whole projected from that."""
    found = stage(arguments, limit, out)
    chunks = json.loads((out / "_job.json").read_text())["chunks"]
    times = np.sort([path.stat().st_mtime for path in out.glob("part-*.parquet")])
    made = (len(times) - 1) * each
    rate = made / (times[-1] - times[0]) if made else float("nan")
    return found | {
        "files": len(times),
        "of files": chunks,
        "lists a second": round(float(rate), 1),
        "lists a processor second": round(made / found["processor seconds after it"], 1),
        "projected hours": round(float(chunks * each / rate / 3600), 2),
    }


def main() -> None:
    """All stages, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--listings", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--k", type=int, default=30)
    parser.add_argument("--chunk", type=int, default=2048)
    parser.add_argument("--each", type=int, default=EVENTS, help="events of a user, on average")
    parser.add_argument("--only-market", action="store_true")
    given = parser.parse_args()
    if given.only_market:
        make_market(given.folder, given.listings, given.users, given.each, np.random.default_rng(0))
        return
    folder, told = (
        given.folder,
        {"machine": machine(), "cores": os.cpu_count(), "threads": os.environ.get("OMP_NUM_THREADS", "all")},
    )
    told |= make(folder, given.listings, given.users)
    run, options = folder / "run", ["-k", str(given.k), "--chunk", str(given.chunk)]
    if not (run / "run.toml").is_file():
        told["embed"] = stage(
            ["embed", str(folder / "market"), str(run), "--model", str(folder / "small-run")]
        )
        told["embed"]["listings a second"] = round(given.listings / told["embed"]["seconds"], 1)
    for kind in ("listings", "users"):
        arguments = ["batch", str(run), str(folder / kind), "--kind", kind, *options]
        told[kind] = lists(arguments, folder / kind, given.seconds, given.chunk)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
