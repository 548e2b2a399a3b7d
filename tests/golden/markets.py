"""Two small markets of the golden tests: one with every attribute type, one whose events have no times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.writer import write_market

LISTINGS, USERS = 90, 60
DAY = pd.Timestamp("2025-03-01", tz="UTC")
STYLES = ("city", "road", "cargo", "mountain", "folding")
EXTRAS = ("lights", "basket", "lock", "mudguards", "rack", "bell")
WORDS = ("light", "sturdy", "new", "restored", "quick", "blue", "comfortable", "carbon")


def write_typed(path: Path) -> None:
    """Write a market of bicycles with every attribute type, lifetimes, actions, durations and times."""
    rng = np.random.default_rng(11)
    listings, style = _bicycles(rng)
    listings["published_at"] = DAY + pd.to_timedelta(rng.integers(0, 50, LISTINGS), unit="D")
    listings["expires_at"] = listings["published_at"] + pd.to_timedelta(
        rng.integers(40, 90, LISTINGS), unit="D"
    )
    events = _events(rng, style)
    events["timestamp"] = DAY + pd.to_timedelta(np.sort(rng.random(len(events)) * 80), unit="D")
    config = MarketConfig(
        name="Bicycles",
        currency="EUR",
        title="title",
        actions=["view", "save"],
        attributes={
            "title": AttributeConfig(kind="text", label="Title"),
            "style": AttributeConfig(kind="category", label="Style"),
            "price": AttributeConfig(kind="number", label="Price", unit="EUR"),
            "electric": AttributeConfig(kind="flag", label="Electric"),
            "extras": AttributeConfig(kind="multi", label="Extras"),
        },
    )
    write_market(path, config, listings, None, events)


def write_untimed(path: Path) -> None:
    """Write a market of bicycles whose events have positions instead of times, and neither action nor duration."""
    rng = np.random.default_rng(12)
    listings, style = _bicycles(rng)
    listings = listings[["listing_id", "style", "price"]]
    events = _events(rng, style)[["user_id", "listing_id"]].sort_values("user_id", kind="stable")
    events["position"] = events.groupby("user_id").cumcount()
    write_market(path, MarketConfig(name="Bicycles without times"), listings, None, events)


def _bicycles(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    style = rng.integers(0, len(STYLES), LISTINGS)
    table = pd.DataFrame(
        {
            "listing_id": [f"bike-{row:03d}" for row in range(LISTINGS)],
            "title": [f"{rng.choice(WORDS)} {STYLES[s]} bicycle, {rng.choice(WORDS)}" for s in style],
            "style": np.array(STYLES)[style],
            "price": np.round(150 + 200 * style + rng.gamma(2, 60, LISTINGS)),
            "electric": rng.random(LISTINGS) < 0.2 + 0.1 * style,
            "extras": [list(rng.choice(EXTRAS, rng.integers(0, 4), replace=False)) for _ in style],
            "latitude": np.round(48 + 0.05 * style + rng.normal(0, 0.01, LISTINGS), 5),
            "longitude": np.round(11 + rng.normal(0, 0.03, LISTINGS), 5),
        }
    )
    return table, style


def _events(rng: np.random.Generator, style: np.ndarray) -> pd.DataFrame:
    rows = []
    for user in range(USERS):
        likes = rng.integers(0, len(STYLES))
        weight = np.where(style == likes, 6.0, 1.0)
        rows += [(f"rider-{user:02d}", int(row)) for row in rng.choice(LISTINGS, 14, p=weight / weight.sum())]
    rows = [rows[place] for place in rng.permutation(len(rows))]
    return pd.DataFrame(
        {
            "user_id": [user for user, _ in rows],
            "listing_id": [f"bike-{row:03d}" for _, row in rows],
            "action": rng.choice(["view", "view", "save"], len(rows)),
            "duration_s": np.round(rng.gamma(2, 20, len(rows)), 1),
        }
    )
