"""Markets and runs for the explorer's tests: every photo has a colour of its own, every table is small."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from helpers.copies import change_settings
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.features.photos.photo_vectors import embed_photos
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.model.settings import Settings, TrainingConfig
from listing_vibes.run.embedding import embed_market
from listing_vibes.training.train import train

#: Colours far enough from one another to be told apart after compression.
COLOURS = list(product((24, 104, 184, 248), repeat=3))
ROOMS = ("Entire home", "Private room", "Shared room")


class ColourEncoder:
    """The mean colour of a photo, so that photos of like colours are alike."""

    name, width, size = "colour-1", 3, (8, 8)

    def prepare(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image.resize(self.size))

    def encode(self, images: np.ndarray) -> np.ndarray:  # (N, 8, 8, 3) -> (N, 3)
        return images.mean(axis=(1, 2)).astype(np.float32) - 128


def colour_of(row: int, position: int, photos: int) -> tuple[int, int, int]:
    """The colour of a listing's photo."""
    return COLOURS[(row * photos + position) * 7 % len(COLOURS)]


def paint_market(
    path: Path,
    *,
    listings: int = 12,
    users: int = 6,
    events: int = 6,
    photos: int = 2,
    timed: bool = True,
    actions: bool = True,
    titles: bool = True,
    ending: bool = False,
    returning: bool = False,
    note: str = "",
) -> Path:
    """Write a market; the last listing has no photo where there is more than one listing.

    Args:
        ending: the first listing is live until 4 March 2024 only, the other ones for ever.
        returning: the last event of each user is on the listing of the first.
    """
    rng = np.random.default_rng(3)
    ids = [f"l{row:02d}" for row in range(listings)]
    table = pd.DataFrame(
        {
            "listing_id": ids,
            "title": [f"Home {row} by the *old* harbour" for row in range(listings)],
            "room_type": [ROOMS[row % 3] for row in range(listings)],
            "price": [80.0 + 10 * row for row in range(listings)],
            "amenities": [["Wifi", "Sauna"] if row % 2 else ["Wifi"] for row in range(listings)],
            "built_year": [1990.0 + row if row != 1 else np.nan for row in range(listings)],
        }
    )
    attributes = {
        "title": AttributeConfig(kind="text", label="Title"),
        "room_type": AttributeConfig(kind="category", label="Room type"),
        "price": AttributeConfig(kind="number", label="Price per night", unit="EUR"),
        "amenities": AttributeConfig(kind="multi", label="Amenities"),
        "built_year": AttributeConfig(kind="number", label="Year built"),
    }
    if ending:
        table["expires_at"] = [
            pd.Timestamp("2024-03-04", tz="UTC") if row == 0 else pd.NaT for row in range(listings)
        ]
    if not titles:
        table, attributes = table.drop(columns="title"), {k: v for k, v in attributes.items() if k != "title"}
    config = MarketConfig(
        name="Tiny town",
        note=note,
        currency="EUR",
        title="title" if titles else None,
        attributes=attributes,
        actions=["view", "add_to_favourites"],
    )
    shots = None
    if photos:
        with_photos = ids[: max(1, listings - 1)]
        (path / "photos").mkdir(parents=True)
        rows = []
        for row, position in product(range(len(with_photos)), range(photos)):
            name = f"photos/{ids[row]}_{position}.png"
            Image.new("RGB", (120, 90), colour_of(row, position, photos)).save(path / name)
            rows.append((ids[row], position, name))
        shots = pd.DataFrame(rows, columns=["listing_id", "position", "path"])
    history = []
    for user in range(users):
        chosen = rng.permutation(listings)[:events]
        for position, row in enumerate([*chosen, chosen[0]] if returning else chosen):
            history.append((f"u{user}", ids[row], position))
    log = pd.DataFrame(history, columns=["user_id", "listing_id", "position"])
    if timed:
        log["timestamp"] = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(
            log.pop("position"), unit="D"
        )
    if actions:
        log["action"] = np.where(np.arange(len(log)) % 3 == 0, "add_to_favourites", "view")
        log["duration_s"] = 30.0 + 45 * np.arange(len(log))
    write_market(path, config, table, shots, log if users and events else None)
    return path


def embed_run(market: Path, run: Path) -> Path:
    """A run without a model over `market`."""
    opened = Market.open(market)
    embed_market(opened, run, vectors(opened))
    return run


def train_run(market: Path, run: Path) -> Path:
    """A run whose model was trained for a moment."""
    opened = Market.open(market)
    settings = Settings(
        preset="tiny",
        encoder={"layers": 1, "width": 16, "heads": 2, "ffn": 32},
        features=FeatureConfig(text=False),
        training=TrainingConfig(batch=4, fresh=4, max_epochs=1, warmup=1, bf16=False, recency_days=0),
    )
    train(opened, run, settings, vectors(opened))
    return change_settings(run, blend=None)


def vectors(market: Market):
    """The photo vectors of a market, None where it has no photos."""
    return embed_photos(market.path, market.photos, ColourEncoder()) if len(market.photos) else None
