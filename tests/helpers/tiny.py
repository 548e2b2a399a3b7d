"""Small market folders of every kind of attribute, photos included: `tiny_market`."""

import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market


@pytest.fixture(scope="session")
def tiny_pattern(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """As `tiny_market`, made once for each set of arguments: to be copied, not written to."""

    @cache
    def make(
        listings: int, users: int, events_per_user: int, photos: int, timed: bool, lifetimes: bool, seed: int
    ) -> Path:
        rng = np.random.default_rng(seed)
        path = tmp_path_factory.mktemp("tiny") / "market"
        table = tiny_listings(rng, listings, lifetimes)
        shots = tiny_photos(rng, path, table["listing_id"], photos) if photos else None
        events = tiny_events(rng, table["listing_id"], users, events_per_user, timed)
        config = MarketConfig(
            name="Tiny town",
            currency="EUR",
            title="title",
            attributes={
                "title": AttributeConfig(kind="text", label="Title"),
                "room_type": AttributeConfig(kind="category", label="Room type"),
                "price": AttributeConfig(kind="number", label="Price", unit="EUR"),
                "pets": AttributeConfig(kind="flag", label="Pets allowed"),
                "amenities": AttributeConfig(kind="multi", label="Amenities"),
            },
            actions=["view", "save"],
            excluded=["review_scores_rating"],
        )
        write_market(path, config, table, shots, events if users and events_per_user else None)
        return path

    return make


@pytest.fixture
def tiny_market(tmp_path: Path, tiny_pattern: Callable[..., Path]) -> Callable[..., Path]:
    """A factory of small market folders: `tiny_market(listings=12, users=8, ...)` gives the folder's path.

    Arguments: name (of the folder), listings, users, events_per_user (0: no events table), photos (a listing; 0: no
    photos table), timed (timestamps or positions), lifetimes (published_at and expires_at), seed.
    """

    def make(
        name: str = "market",
        *,
        listings: int = 12,
        users: int = 8,
        events_per_user: int = 5,
        photos: int = 2,
        timed: bool = True,
        lifetimes: bool = False,
        seed: int = 0,
    ) -> Path:
        pattern = tiny_pattern(listings, users, events_per_user, photos, timed, lifetimes, seed)
        # Its files are of now, as those of a market that is made here.
        shutil.copytree(pattern, tmp_path / name, copy_function=shutil.copy, dirs_exist_ok=True)
        return tmp_path / name

    return make


def tiny_listings(rng: np.random.Generator, count: int, lifetimes: bool) -> pd.DataFrame:
    """`count` listings with an attribute of every kind, some cells missing, and one excluded column."""
    rooms = rng.choice(["Entire home", "Private room", "Shared room"], count)
    table = pd.DataFrame(
        {
            "listing_id": [f"l{row:03d}" for row in range(count)],
            "title": [f"{room} number {row} by the old harbour" for row, room in enumerate(rooms)],
            "room_type": rooms,
            "price": np.where(rng.random(count) < 0.1, np.nan, rng.lognormal(4.5, 0.5, count).round(2)),
            "pets": rng.random(count) < 0.5,
            "amenities": [
                list(rng.choice(["Wifi", "Sauna", "Garden", "Dryer"], 2, replace=False)) for _ in range(count)
            ],
            "latitude": rng.uniform(53.5, 53.6, count),
            "longitude": rng.uniform(9.9, 10.1, count),
            "review_scores_rating": rng.uniform(3, 5, count).round(2),
        }
    )
    if lifetimes:
        start = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 40, count), unit="D")
        table["published_at"] = start
        table["expires_at"] = start + pd.to_timedelta(rng.integers(20, 60, count), unit="D")
    return table


def tiny_photos(rng: np.random.Generator, path: Path, listings: pd.Series, each: int) -> pd.DataFrame:
    """`each` small JPEG files a listing under `path / photos`, and their table."""
    (path / "photos").mkdir(parents=True, exist_ok=True)
    rows = []
    for listing in listings:
        for position in range(each):
            name = f"photos/{listing}_{position}.jpg"
            pixels = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((48, 32)).save(path / name, quality=80)
            rows.append((listing, position, name))
    return pd.DataFrame(rows, columns=["listing_id", "position", "path"])


def tiny_events(
    rng: np.random.Generator, listings: pd.Series, users: int, each: int, timed: bool
) -> pd.DataFrame:
    """`each` events a user (fewer where there are fewer listings) on different listings, one every few hours."""
    rows = []
    for user in range(users):
        chosen = rng.choice(len(listings), min(each, len(listings)), replace=False)
        hours = np.sort(rng.choice(24 * 80, len(chosen), replace=False))
        for position, (row, hour) in enumerate(zip(chosen, hours, strict=True)):
            rows.append((f"u{user:03d}", listings.iloc[row], position, hour, rng.random() < 0.3))
    table = pd.DataFrame(rows, columns=["user_id", "listing_id", "position", "hour", "save"])
    table["action"] = np.where(table.pop("save").astype(bool), "save", "view")
    table["duration_s"] = rng.uniform(1, 120, len(table)).round(1)
    hours = pd.to_timedelta(table.pop("hour").astype("int64"), unit="h")
    if timed:
        table.insert(2, "timestamp", pd.Timestamp("2024-01-01", tz="UTC") + hours)
        table = table.drop(columns="position")
    return table


def random_photos(
    market: Market, width: int = 24, name: str = "eye", seed: int = 0, broken: Sequence[int] = ()
) -> PhotoVectors:
    """Random vectors of the photos of a market, by an encoder of this name, and none of those that are broken."""
    vectors = np.random.default_rng(seed).normal(size=(len(market.photos), width)).astype(np.float16)
    ok = ~np.isin(np.arange(len(vectors)), broken)
    vectors[~ok] = 0
    return PhotoVectors(vectors, ok, [], name)
