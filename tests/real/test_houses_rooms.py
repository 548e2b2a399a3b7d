"""On real photos: the nearest neighbour in the photo space shows the same kind of room."""

import shutil
import time

import numpy as np
import pandas as pd
import pytest

from core.features.photos.encoder import PhotoEncoder
from core.features.photos.opening import load_photo_encoder
from core.features.photos.vectors import PhotoVectors, embed_photos, load_photo_vectors

pytestmark = pytest.mark.real
#: Indices of ImageNet classes that only a kitchen shows: dishwasher, microwave, refrigerator, stove.
KITCHEN = [534, 651, 760, 827]


@pytest.fixture(scope="module")
def encoder() -> PhotoEncoder:
    return load_photo_encoder("tf_efficientnet_lite0")


@pytest.fixture(scope="module")
def rooms(real_data) -> pd.DataFrame:
    table = pd.read_csv(real_data / "houses" / "photos.csv", dtype=str)
    return table.rename(columns={"item_id": "listing_id"})


@pytest.fixture(scope="module")
def embedded(real_data, rooms, encoder, tmp_path_factory) -> tuple[PhotoVectors, float, object]:
    market = tmp_path_factory.mktemp("houses")  # the real folder is only read
    shutil.copytree(real_data / "houses" / "photos", market / "photos")
    start = time.process_time()  # of all threads: how busy the machine is otherwise does not count
    vectors = embed_photos(market, rooms, encoder)
    return vectors, time.process_time() - start, market


def test_every_photo_is_embedded_in_three_minutes_of_two_cores(embedded, rooms):
    vectors, seconds, _ = embedded
    assert len(rooms) == 2140
    assert vectors.ok.all() and vectors.broken == []
    assert seconds < 2 * 180, f"{len(rooms) / seconds:.1f} photos a second and core"


def test_nearest_neighbour_names_the_room(embedded, rooms):
    names, listings = rooms["room"].to_numpy(), rooms["listing_id"].to_numpy()
    plain, others = neighbour_accuracy(embedded[0].vectors, names, listings)
    assert min(plain, others) >= 0.97, f"leave-one-out {plain:.4f}, without the same listing {others:.4f}"


def test_the_cache_gives_the_same_vectors(embedded, rooms):
    vectors, _, market = embedded
    again = load_photo_vectors(market, rooms)
    assert again is not None and again.encoder == vectors.encoder
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
