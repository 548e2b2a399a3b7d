"""A large market and a run over it, for measuring the explorer: synthetic attributes and vectors, shared photos.

The model is a real one, trained for a moment on the first listings; where listings lie in each space is made up, since
encoding a hundred thousand of them takes longer than all there is to measure.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from browser.painted import ColourEncoder
from listing_vibes.demo.shipped import ROOT as DEMO
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.features.photos.vectors import embed_photos
from listing_vibes.insight.map.vibe_map import COLUMNS, DRAWN_OF, FILE, embeddings_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.contents import seal
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.prepared import save_prepared
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import save_spaces
from listing_vibes.training.train import train

FILES, PHOTOS, CITIES, GROUPS = 300, 4, 120, 30
LEARNED_FROM = 600  # listings that the model is trained on
WIDTHS = {"model": 128, "photos": 1280, "attributes": 512}  # as in the demo
AMENITIES = ("Wifi", "Balcony", "Lift", "Garden", "Parking", "Sauna", "Dishwasher", "Fireplace")


def make_large_run(
    folder: Path, listings: int = 100_000, users: int = 20_000, events: int = 10, looked_at: bool = True
) -> Path:
    """Write `folder/market` and `folder/run`; the same numbers give the same run.

    Args:
        looked_at: with photos, all spaces and a map; else the model's space alone, and a moment when each listing was published.
    """
    rng = np.random.default_rng(0)
    group = np.sort(rng.integers(0, GROUPS, listings))[rng.permutation(listings)]
    small = _write(folder / "small", rng, group[:LEARNED_FROM], 200, 8, looked_at)
    market = _write(folder / "market", rng, group, users, events, looked_at)
    run = folder / "run"
    settings = Resolved(
        preset="tiny",
        features=FeatureConfig(text=False),
        training=ResolvedTraining(max_epochs=1, warmup=1),
    )
    photos = None
    if looked_at:
        encoder = ColourEncoder()
        train(small, run, settings, embed_photos(small.path, small.photos, encoder))
        photos = embed_photos(market.path, market.photos, encoder)
    else:
        train(small, run, settings, None)
    save_prepared(run, Featurizer.load(run).transform(market, photos), market.fingerprint)
    widths = WIDTHS if looked_at else {"model": WIDTHS["model"]}
    save_spaces(run, market, {name: _vectors(rng, group, width) for name, width in widths.items()})
    manifest = Manifest.load(run)
    changed = {"market": str(market.path.resolve()), "fingerprint": market.fingerprint}
    seal(run, manifest.model_copy(update=changed))
    for name in ("train.jsonl", "metrics.json"):
        (run / name).unlink(missing_ok=True)
    if looked_at:
        _draw(run, rng, group)
    shutil.rmtree(folder / "small")
    return run


def _write(
    path: Path, rng: np.random.Generator, group: np.ndarray, users: int, events: int, looked_at: bool
) -> Market:
    """A market of homes whose type, size and price go with their group (L,)."""
    count = len(group)
    ids = np.array([f"home-{row:06d}" for row in range(count)])
    area = (30 + 6 * group + rng.normal(0, 8, count)).round()
    city = (group * 4 + rng.integers(0, 12, count)) % CITIES
    table = pd.DataFrame(
        {
            C.LISTING: ids,
            "title": [f"Home {row} in city {place}" for row, place in enumerate(city)],
            "city": [f"City {place}" for place in city],
            "kind": np.array(["Flat", "House", "Studio", "Villa", "Loft"])[group % 5],
            "area": area,
            "rooms": np.maximum(1, area // 25),
            "price": (area * rng.uniform(8, 16, count)).round(),
            "furnished": rng.random(count) < 0.4,
            "amenities": [
                [AMENITIES[i] for i in np.flatnonzero(row)] for row in rng.random((count, 8)) < 0.4
            ],
            C.LATITUDE: 53 + city / 100 + rng.normal(0, 0.01, count),
            C.LONGITUDE: 10 + city / 100 + rng.normal(0, 0.01, count),
        }
    )
    config = MarketConfig(
        name=f"{count:,} synthetic homes",
        currency="EUR",
        title="title",
        actions=["view", "save"],
        attributes={
            "title": AttributeConfig(kind="text", label="Title"),
            "city": AttributeConfig(kind="category", label="City"),
            "kind": AttributeConfig(kind="category", label="Kind"),
            "area": AttributeConfig(kind="number", label="Area", unit="m²"),
            "rooms": AttributeConfig(kind="number", label="Rooms"),
            "price": AttributeConfig(kind="number", label="Rent", unit="currency"),
            "furnished": AttributeConfig(kind="flag", label="Furnished"),
            "amenities": AttributeConfig(kind="multi", label="Amenities"),
        },
    )
    photos = _photos(path, rng, ids) if looked_at else None
    first = rng.integers(0, count, users)
    near = (np.repeat(first, events) + rng.integers(0, 200, users * events)) % count
    log = pd.DataFrame(
        {
            C.USER: np.repeat([f"user-{row:05d}" for row in range(users)], events),
            C.LISTING: ids[near],
            C.TIMESTAMP: pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(np.sort(rng.integers(0, 120 * 86_400, (users, events))).ravel(), unit="s"),
            C.ACTION: np.where(rng.random(users * events) < 0.2, "save", "view"),
            C.DURATION: rng.uniform(1, 120, users * events).round(),
        }
    )
    if not looked_at:  # published in the year before, but not after the first event
        last = log[C.TIMESTAMP].max()
        drawn = pd.Series(last - pd.to_timedelta(rng.integers(0, 365 * 86_400, count), unit="s"), index=ids)
        touched = log.groupby(C.LISTING)[C.TIMESTAMP].min().reindex(ids)
        table[C.PUBLISHED] = drawn.where(~(touched < drawn), touched).to_numpy()
    write_market(path, config, table, photos, log)
    return Market.open(path)


def _photos(path: Path, rng: np.random.Generator, ids: np.ndarray) -> pd.DataFrame:
    """Files of the demo, some for each listing."""
    (path / "photos").mkdir(parents=True)
    files = sorted((DEMO / "photos").glob("*.webp"))[:FILES]
    for file in files:
        shutil.copy(file, path / "photos" / file.name)
    shot = rng.integers(0, len(files), (len(ids), PHOTOS))
    return pd.DataFrame(
        {
            C.LISTING: np.repeat(ids, PHOTOS),
            C.POSITION: np.tile(np.arange(PHOTOS), len(ids)),
            C.PATH: np.array([f"photos/{file.name}" for file in files])[shot.ravel()],
        }
    )


def _vectors(rng: np.random.Generator, group: np.ndarray, width: int) -> np.ndarray:
    """(L, width) float32 unit vectors around one direction a group."""
    vectors = rng.normal(0, 1, (GROUPS, width)).astype(np.float32)[group]
    vectors += rng.normal(0, 0.6, vectors.shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _draw(run: Path, rng: np.random.Generator, group: np.ndarray) -> None:
    """A map whose groups are clouds, a tenth of their listings between them."""
    opened = Run.open(run)
    middle = rng.uniform(0, 60, (GROUPS, 2))
    size = np.bincount(group, minlength=GROUPS)
    rank = np.argsort(np.argsort(-size, kind="stable"))
    parts = []
    for space in opened.spaces:
        places = middle[group] + rng.normal(0, 1.5, (len(group), 2))
        cluster = np.where(rng.random(len(group)) < 0.1, -1, rank[group]).astype(np.int32)
        columns = (space, opened.listing_ids, places[:, 0], places[:, 1], cluster)
        parts.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    frame = pd.concat(parts, ignore_index=True)
    frame.attrs[DRAWN_OF] = embeddings_of(opened)
    frame.to_parquet(run / FILE, index=False)
