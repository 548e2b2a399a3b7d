"""A small generated market of homes, attributes and simulated events only: quick to train on.

Twelve districts, prices that follow area and district; users with a budget, a size and two districts in mind look at
live listings that suit them, save some and write to few.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.demo.listings import market_config
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.writer import write_market

SEED = 7
LISTINGS, USERS, DAYS = 500, 600, 84
FIRST_DAY = pd.Timestamp("2025-01-06", tz="UTC")
DISTRICTS = (
    "Harbour", "Old Mill", "Northgate", "Lindenpark", "Station Quarter", "Riverside",
    "Hillcrest", "Market Square", "Eastfield", "Glassworks", "Orchard", "Westbridge",
)  # fmt: skip
BUILDINGS = ("apartment block", "townhouse", "tower", "villa", "converted factory")
ACTIONS = ("view", "favourite", "message")


def generate(path: Path, listings: int = LISTINGS, users: int = USERS, seed: int = SEED) -> None:
    """Write the market folder; the same seed gives the same market."""
    rng = np.random.default_rng(seed)
    homes = _homes(rng, listings)
    config = market_config()
    known = {name: kept for name, kept in config.attributes.items() if name in homes or name == C.PLACE}
    config = config.model_copy(
        update={
            "name": "A small simulated market",
            "note": "Generated: these homes do not exist and their visitors are simulated. "
            "The figures show the tool, not the world.",
            "actions": list(ACTIONS),
            "attributes": known,
        }
    )
    write_market(path, config, homes, None, _events(rng, homes, users))


def _homes(rng: np.random.Generator, count: int) -> pd.DataFrame:
    district = rng.integers(0, len(DISTRICTS), count)
    angle = 2 * np.pi * district / len(DISTRICTS)
    rooms = 1 + rng.binomial(5, 0.38, count)
    area = np.round(18 + 19 * rooms + rng.normal(0, 7, count)).clip(18)
    building = (district + rng.integers(0, 3, count)) % len(BUILDINGS)
    per_m2 = 14 + 6 * np.cos(angle) + 1.5 * building
    price = np.round(area * per_m2 * np.exp(rng.normal(0, 0.12, count)) / 10) * 10
    since = rng.integers(-20, DAYS - 3, count)
    until = since + rng.integers(10, 60, count)
    return pd.DataFrame(
        {
            C.LISTING: [f"home-{number:04d}" for number in range(count)],
            C.PUBLISHED: FIRST_DAY + pd.to_timedelta(since, unit="D"),
            C.EXPIRES: FIRST_DAY + pd.to_timedelta(until, unit="D"),
            "title": [
                f"{r}-room home in {DISTRICTS[d]}, {BUILDINGS[b]}"
                for r, d, b in zip(rooms, district, building, strict=True)
            ],
            "deal": rng.choice(["rent", "rent", "rent", "sublet"], count),
            "district": np.array(DISTRICTS)[district],
            "building": np.array(BUILDINGS)[building],
            "rooms": rooms,
            "area_m2": area,
            "floor": rng.integers(0, 9, count),
            "built": 1890 + rng.integers(0, 27, count) * 5,
            "price": price,
            "balcony": rng.random(count) < 0.5,
            "pets": rng.random(count) < 0.35,
            C.LATITUDE: np.round(50.0 + 0.05 * np.sin(angle) + rng.normal(0, 0.006, count), 5),
            C.LONGITUDE: np.round(10.0 + 0.08 * np.cos(angle) + rng.normal(0, 0.009, count), 5),
        }
    )


def _events(rng: np.random.Generator, homes: pd.DataFrame, users: int) -> pd.DataFrame:
    day = (
        (homes[C.PUBLISHED] - FIRST_DAY).dt.days.to_numpy(),
        (homes[C.EXPIRES] - FIRST_DAY).dt.days.to_numpy(),
    )
    log_price, area = np.log(homes["price"].to_numpy(float)), homes["area_m2"].to_numpy(float)
    district = homes["district"].map({name: n for n, name in enumerate(DISTRICTS)}).to_numpy()
    rows: list[tuple[str, str, pd.Timestamp, str, float]] = []
    for user in range(users):
        budget, size = rng.choice(log_price) + rng.normal(0, 0.1), rng.choice(area)
        liked = np.zeros(len(DISTRICTS))
        liked[rng.choice(len(DISTRICTS), 2, replace=False)] = 2.0
        taste = -4 * np.abs(log_price - budget) - np.abs(area - size) / 18 + liked[district]
        seen: set[int] = set()
        for visit in rng.integers(0, DAYS) + np.cumsum(rng.geometric(0.3, rng.integers(1, 5))) - 1:
            live = np.flatnonzero((day[0] <= visit) & (visit < day[1]))
            live = live[[home not in seen for home in live]] if len(live) else live
            if visit >= DAYS or not len(live):
                break
            wanted = taste[live] + rng.gumbel(0, 1, len(live))
            moment = FIRST_DAY + pd.Timedelta(days=int(visit), seconds=int(rng.integers(25_000, 80_000)))
            for home in live[np.argsort(-wanted)[: rng.integers(2, 7)]]:
                seen.add(int(home))
                interest = taste[home] + rng.normal(0, 0.7)
                action = ACTIONS[int(np.searchsorted([1.2, 2.0], interest))]
                seconds = float(np.round(np.exp(2.6 + 0.35 * interest + rng.normal(0, 0.5)), 1))
                rows.append((f"user-{user:04d}", homes[C.LISTING].iat[home], moment, action, seconds))
                moment += pd.Timedelta(seconds=int(seconds) + int(rng.integers(5, 60)))
    return pd.DataFrame(rows, columns=[C.USER, C.LISTING, C.TIMESTAMP, C.ACTION, C.DURATION])
