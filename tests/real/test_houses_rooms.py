"""On real photos: the nearest neighbour in the photo space shows the same kind of room."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.photos.encoder import PhotoEncoder
from listing_vibes.features.photos.tail import load_photo_encoder
from listing_vibes.features.photos.vectors import PhotoVectors, embed_photos, load_photo_vectors

pytestmark = pytest.mark.real
#: Indices of ImageNet classes that only a kitchen shows: dishwasher, microwave, refrigerator, stove.
KITCHEN = [534, 651, 760, 827]


@pytest.fixture(scope="module")
def encoder() -> PhotoEncoder:
    return load_photo_encoder("tf_efficientnet_lite0")


@pytest.fixture(scope="module")
def rooms(real_data) -> pd.DataFrame:
    table = pd.read_csv(real_data / "houses" / "photos.csv", dtype=str).rename(
        columns={"item_id": "listing_id"}
    )
    some = table["listing_id"].drop_duplicates().sample(150, random_state=0)
    return table[table["listing_id"].isin(some)].reset_index(drop=True)


@pytest.fixture(scope="module")
def embedded(real_data, rooms, encoder, tmp_path_factory) -> tuple[PhotoVectors, Path]:
    market = tmp_path_factory.mktemp("houses")  # the real folder is only read
    shutil.copytree(real_data / "houses" / "photos", market / "photos")
    return embed_photos(market, rooms, encoder), market


def test_every_photo_is_embedded(embedded, rooms):
    vectors, _ = embedded
    assert len(rooms) == 600
    assert vectors.ok.all() and vectors.broken == []


def test_nearest_neighbour_names_the_room(embedded, rooms):
    names, listings = rooms["room"].to_numpy(), rooms["listing_id"].to_numpy()
    plain, others = neighbour_accuracy(embedded[0].vectors, names, listings)
    # of all 2,140 photos .97: the more there are, the nearer is the nearest
    assert min(plain, others) >= 0.95, f"leave-one-out {plain:.4f}, without the same listing {others:.4f}"


def test_the_cache_gives_the_same_vectors(embedded, rooms):
    vectors, market = embedded
    again = load_photo_vectors(market, rooms, vectors.encoder)
    assert again is not None
    np.testing.assert_array_equal(again.vectors, vectors.vectors)


def test_imagenet_sees_kitchens_in_kitchens(embedded, rooms, encoder):
    seen = encoder.classify(embedded[0].vectors)[:, KITCHEN].sum(axis=1) > 0.1  # (P,)
    kitchen = (rooms["room"] == "kitchen").to_numpy()
    assert seen[kitchen].mean() > 0.8
    assert seen[~kitchen].mean() < 0.1


def neighbour_accuracy(vectors: np.ndarray, rooms: np.ndarray, listings: np.ndarray) -> tuple[float, float]:
    """Share of photos whose nearest other photo, and nearest of another listing, shows the same room."""
    unit = vectors.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosine = unit @ unit.T  # (P, P)
    np.fill_diagonal(cosine, -np.inf)
    plain = (rooms[cosine.argmax(axis=1)] == rooms).mean()
    cosine[listings[:, None] == listings] = -np.inf
    return float(plain), float((rooms[cosine.argmax(axis=1)] == rooms).mean())
