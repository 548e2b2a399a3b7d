"""A made-up market of a million listings and users without photos, and a small run whose model embeds it.

    python -m tests.benchmarks.million FOLDER [--listings N] [--users N] [--each EVENTS] [--only-market]

Writes FOLDER/market, FOLDER/new (ten more listings and 100 more events) and FOLDER/small-run; what is there is kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tests.benchmarks.arguments import parse_arguments

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


def train_small(folder: Path, rng: np.random.Generator) -> None:
    """Train `folder/small-run` on a small market of the same kind, unless it is there."""
    if (folder / "small-run" / "run.toml").is_file():
        return
    write_market(folder / "small", config("Some homes"), homes(rng, SMALL[0]), None, None)
    events(rng, folder / "small" / "events.parquet", *SMALL)
    settings = Resolved(
        preset="tiny",
        history="listing-vectors",
        features=FeatureConfig(text=False),
        training=ResolvedTraining(max_steps=60, warmup=10, validate_every=30),
    )
    train(Market.open(folder / "small"), folder / "small-run", settings, None)


def main() -> None:
    """Make the market, and unless `--only-market` the small run."""
    options = parse_arguments(
        __doc__, folder=Path, listings=1_000_000, users=1_000_000, each=EVENTS, only_market=False
    )
    rng = np.random.default_rng(0)
    make_market(options.folder, options.listings, options.users, options.each, rng)
    if not options.only_market:
        train_small(options.folder, rng)


if __name__ == "__main__":
    main()
