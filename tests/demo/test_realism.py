"""The comparison of rendered with real photos: its statistics rise with what they are named after."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from listing_vibes.demo.realism import main, picture_statistics, rooms_of, statistics
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market

ROOMS = ("kitchen", "frontal")


def picture(path, pixels: np.ndarray):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels * 255, 0, 255).astype(np.uint8)).save(path)
    return path


def test_each_statistic_rises_with_what_it_is_named_after(tmp_path):
    rng = np.random.default_rng(0)
    flat = np.full((240, 320, 3), 0.3)
    grey = np.repeat(rng.random((240, 320, 1)), 3, axis=2)
    split = flat.copy()
    split[:, :160] = 0.9
    colours = rng.random((24, 32, 3)).repeat(10, 0).repeat(10, 1)
    plain, noisy, halves, coloured = (
        picture_statistics(picture(tmp_path / f"{name}.png", pixels))
        for name, pixels in (("a", flat), ("b", grey), ("c", split), ("d", colours))
    )
    assert plain["entropy"] == plain["gradient"] == plain["edges"] == plain["colour spread"] == 0
    assert plain["brightness"] == pytest.approx(0.3, abs=0.01)
    assert noisy["entropy"] > 7 and noisy["edges"] > 0.5 and noisy["colour spread"] < 1e-6
    assert halves["contrast"] == pytest.approx(0.3, abs=0.01)
    assert halves["edges"] == pytest.approx(2 / 320, rel=0.5)
    assert coloured["colour spread"] > 0.3


@pytest.fixture
def market(tmp_path) -> Market:
    rng = np.random.default_rng(1)
    homes = [f"{number:03d}" for number in range(6)]
    rows = [(home, place, f"photos/{home}_{room}.png") for home in homes for place, room in enumerate(ROOMS)]
    for _, _, path in rows:
        picture(tmp_path / "market" / path, rng.random((24, 32, 3)))
    photos = pd.DataFrame(rows, columns=["listing_id", "position", "path"])
    write_market(
        tmp_path / "market", MarketConfig(name="Six homes"), pd.DataFrame({"listing_id": homes}), photos
    )
    return Market.open(tmp_path / "market")


def test_distances_tell_homes_that_are_one_from_homes_that_are_alike(market):
    assert set(rooms_of(market)) == {"kitchen", "front"}
    own = np.eye(6)[market.photos["listing_id"].map(market.listing_row)]  # every home its own direction
    alike = np.eye(6)[market.photos["position"]]  # every room its own
    found = {}
    for name, vectors in (("own", own), ("alike", alike)):
        photos = PhotoVectors(vectors, np.ones(12, bool), [], "x")
        found[name] = statistics(market, photos, ["front", "kitchen"])
    assert found["own"]["distance inside homes"] == pytest.approx(0)
    assert found["own"]["distance between homes"] == pytest.approx(1)
    assert found["alike"]["distance inside homes"] == pytest.approx(1)
    assert found["alike"]["distance between homes"] == pytest.approx(0)


@pytest.mark.slow
def test_photos_without_vectors_are_named(market, capsys):
    assert main([str(market.path)]) == 2
    assert "vibes embed" in capsys.readouterr().err
