"""Boosts and style directions: parsed, computed as by hand, and refused in one sentence."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes import Market
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.score_moves import SHRUNK, Dial, position, read_boost, read_dial

DAY = 86_400 * 10**9
MORE, LESS = ("home-0003", "home-0010"), ("home-0020", "home-0031", "home-0044")


def dial(weight=1.0, space="model") -> str:
    return str(Dial("more rustic", weight, space, MORE, LESS))


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    listings = pd.DataFrame(
        {
            "listing_id": ["new", "old", "never", "far"],
            "published_at": ["2025-01-31", "2025-01-17", None, "2024-01-01"],
            "latitude": [48.0, 48.0, None, -48.0],
            "longitude": [11.0, 11.0134, 11.0, 169.0],
        }
    )
    events = pd.DataFrame({"user_id": ["u"], "listing_id": ["new"], "timestamp": ["2025-01-31"]})
    return Market.from_frames(listings, events, path=tmp_path_factory.mktemp("boosts") / "market")


def test_new_and_near_listings_gain_and_half_is_left_after_the_age_or_distance(market):
    at = pd.Timestamp("2025-01-31", tz="UTC").value
    assert read_boost(market, "fresh 0.5 14d").gain(market, at) == pytest.approx([0.5, 0.25, 0, 0], abs=1e-6)
    later = read_boost(market, "fresh 0.5 336h").gain(market, at + 14 * DAY)
    assert later[:3] == pytest.approx([0.25, 0.125, 0])
    gain = read_boost(market, "near 48.0,11.0 2 1km").gain(market, 0)
    assert gain == pytest.approx([2, 1, 0, 0], abs=0.01)  # 0.0134 degrees at 48 north are 997 m
    assert read_boost(market, " near 48,11 2  1000m ") == read_boost(market, "near 48.0,11.0 2 1km")


@pytest.mark.parametrize(
    "text", ["new 1 2d", "fresh 0 2d", "fresh 11 2d", "fresh 1 0d", "near 91,11 1 2km", "near 48;11 1 2km"]
)
def test_an_invalid_boost_is_refused(market, text):
    with pytest.raises(VibesError, match="Rule boost"):
        read_boost(market, text)


@pytest.mark.parametrize("space", ["model", "attributes"])
def test_the_direction_is_that_of_a_slow_discriminant(trained, space):
    vectors = trained.vectors(space).astype(np.float64)
    more, less = (np.mean([vectors[trained.row(item)] for item in side], axis=0) for side in (MORE, LESS))
    covariance = sum(np.outer(row, row) for row in vectors - vectors.mean(axis=0)) / len(vectors)
    shrunk, width = SHRUNK[space], vectors.shape[1]
    mixed = (1 - shrunk) * covariance + shrunk * np.trace(covariance) / width * np.eye(width)
    along = vectors @ (np.linalg.inv(mixed) @ (more - less))
    slow = np.clip((along - along.mean()) / along.std(), -4, 4)
    found = position(trained, read_dial(dial(space=space)))
    np.testing.assert_allclose(found, slow, atol=1e-4)
    means = [found[[trained.row(item) for item in side]].mean() for side in (MORE, LESS)]
    assert means[0] > 1 > means[1]
    one_side = position(trained, Dial("x", 1, space, MORE, ()))  # the other is the mean of all
    np.testing.assert_allclose(one_side, -position(trained, Dial("x", 1, space, (), MORE)), atol=1e-5)


def test_a_list_moves_along_a_direction_and_at_0_stays(trained):
    along = dict(zip(trained.listing_ids, position(trained, read_dial(dial())), strict=True))

    def mean_of(weight: float) -> float:
        found = trained.recommend("user-0001", 20, rules={"dial": dial(weight)})[C.LISTING]
        return float(np.mean([along[item] for item in found]))

    plain = trained.recommend("user-0001", 20)[C.LISTING].tolist()
    assert trained.recommend("user-0001", 20, rules={"dial": dial(0.0)})[C.LISTING].tolist() == plain
    means = [mean_of(weight) for weight in (-2.0, -0.5, 0.5, 2.0)]
    assert means == sorted(means) and means[-1] - means[0] > 1
    near = trained.similar("home-0003", 10, rules={"dial": [dial(9.0)]})[C.LISTING]
    assert np.mean([along[item] for item in near]) > 1


def test_a_dial_is_read_back_as_written():
    strange = Dial("lighter", -0.25, "photos", ("a b;c", "-7", "+x"), ("é/%",))
    assert read_dial(str(strange)) == strange
    plain = Dial("more rustic", 1.5, "photos", ("a", "c"), ("b",))
    assert read_dial("more rustic 1.5 photos +a -b +c") == plain


@pytest.mark.parametrize(
    "text",
    [
        "lighter", "lighter 1 sound +home-0003", "lighter 1 model", "lighter 11 model +home-0003", "lighter 1 model +nobody",
        "lighter 1 photos +home-0003",
    ],
)  # fmt: skip
def test_an_invalid_dial_is_refused(trained, text):
    with pytest.raises(VibesError):
        trained.recommend("user-0001", rules={"dial": text})
