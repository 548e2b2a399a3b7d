"""A listing entered by hand gets the vectors that the market's own listings have."""

import numpy as np
import pandas as pd
import pytest

from browser.painted import ColourEncoder, embed_run, paint_market, train_run
from listing_vibes.features.photos import vae
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.market.market import Market
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("cold")
    return Run.open(train_run(paint_market(folder / "market"), folder / "run"))


@pytest.fixture(scope="module")
def newcomers(run) -> Newcomers:
    return Newcomers(run, lambda name: {"colour-1": ColourEncoder()}[name])


def entered(run, listing):
    """Cells and photos of a listing of the market, as somebody would enter them."""
    market = run.market
    row = market.listings.iloc[market.listing_row[listing]]
    cells = {item.name: row[item.name] for item in market.attributes}
    cells = {name: value for name, value in cells.items() if isinstance(value, list) or not pd.isna(value)}
    shots = market.photos[market.photos["listing_id"] == listing]["path"]
    return cells, [(market.path / path).read_bytes() for path in shots]


@pytest.mark.parametrize("listing", ["l04", "l01", "l11"])  # l01 has no year, l11 no photo
def test_an_existing_listing_entered_anew_gets_the_vectors_of_the_run(run, newcomers, listing):
    cells, photos = entered(run, listing)
    found = newcomers.encode(cells, photos)
    row = run.listing_row[listing]
    assert set(found.vectors) == ({"model", "photos", "attributes"} if photos else {"model", "attributes"})
    for space in {"model", "photos"} & set(found.vectors):
        np.testing.assert_allclose(found.vectors[space], run.vectors(space)[row], atol=2e-3, err_msg=space)
    for space, scores in found.scores.items():
        assert scores[row] == pytest.approx(1, abs=2e-3)
        expected = run.similar(listing, k=4, space=space)
        mine = run.nearest(found.scores[space], 12)
        mine = mine[mine["listing_id"] != listing][:4].reset_index(drop=True)
        np.testing.assert_allclose(mine["score"], expected["score"], atol=0.02, err_msg=space)


def test_photos_of_the_market_need_no_encoder(run, newcomers):
    cells, photos = entered(run, "l04")
    found = Newcomers(run, lambda name: pytest.fail(f"{name} was loaded")).encode(cells, photos)
    expected = newcomers.encode(cells, photos)
    for space, vector in expected.vectors.items():
        np.testing.assert_array_equal(found.vectors[space], vector)


def test_photos_and_values_move_it_and_a_broken_photo_is_left_out(run, newcomers):
    (cells, photos), other = entered(run, "l04"), entered(run, "l08")[1]
    first, second = (newcomers.encode(cells, shown, ["model", "photos"]) for shown in (photos, other))
    third = newcomers.encode(cells | {"price": 10_000}, photos, ["model"])
    assert run.nearest(first.scores["photos"], 1)["listing_id"][0] == "l04"
    assert run.nearest(second.scores["photos"], 1)["listing_id"][0] == "l08"
    for changed in (second, third):
        assert not np.allclose(first.vectors["model"], changed.vectors["model"], atol=1e-3)
    broken = newcomers.encode(cells, [photos[0], b"no image", photos[1]], ["photos"])
    assert [number for number, _ in broken.broken] == [1]
    np.testing.assert_allclose(broken.vectors["photos"], first.vectors["photos"], atol=1e-6)


def test_without_a_model_and_events_the_other_spaces_answer(tmp_path):
    run = Run.open(embed_run(paint_market(tmp_path / "market", users=0), tmp_path / "run"))
    cells, photos = entered(run, "l04")
    found = Newcomers(run, lambda name: ColourEncoder()).encode(cells, photos)
    assert set(found.vectors) == {"photos", "attributes"}
    assert run.nearest(found.scores["attributes"], 1)["listing_id"][0] == "l04"


def test_a_photo_for_a_run_with_the_market_s_own_autoencoder_is_read_by_it(tmp_path, monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.setattr(vae, "STEPS", 2)
    market = Market.open(paint_market(tmp_path / "market"))
    embed_market(market, tmp_path / "run", market_photos(market, "vae"))
    run = Run.open(tmp_path / "run")
    cells, shots = entered(run, "l04")
    found = Newcomers(run).encode(cells, shots, ["photos"])
    np.testing.assert_allclose(
        found.vectors["photos"], run.vectors("photos")[run.listing_row["l04"]], atol=2e-3
    )
