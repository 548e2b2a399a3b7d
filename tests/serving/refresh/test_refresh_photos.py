"""New photos: brought into the market, embedded once, and seen by the space of photos as after a full rebuild."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.features.photos.of_market import market_photos
from core.market.columns import Columns as C
from core.market.market import Market
from core.run.run import Run
from core.run.spaces import embed_market
from core.serving.refresh.refresher import Refresher
from core.serving.refresh.sources import FolderSource


@pytest.fixture
def run(tiny_market, tmp_path):
    market = Market.open(tiny_market(listings=5, users=4, photos=1))
    embed_market(market, tmp_path / "run", market_photos(market))
    return Run.open(tmp_path / "run")


@pytest.mark.slow
def test_only_photos_that_were_never_seen_are_embedded_also_before_their_listing_is_there(run, tmp_path):
    for name in ("listings", "photos/pictures"):
        (tmp_path / name).mkdir(parents=True)
    new, pictures = tmp_path / "photos", tmp_path / "photos" / "pictures"
    for number, colour in enumerate(((200, 30, 30), (30, 200, 30))):
        Image.new("RGB", (60, 40), colour).save(pictures / f"{number}.png")
    seen = run.market.path / run.market.photos[C.PATH][0]
    (pictures / "seen.jpg").write_bytes(seen.read_bytes())
    old = run.market.listings[C.LISTING][1]
    paths = [
        "pictures/1.png",
        "pictures/0.png",
        "pictures/0.png",
        "pictures/seen.jpg",
        "../run/run.toml",
        "lost.png",
    ]
    owners = ["fresh", "fresh", old, "fresh", "fresh", old]
    pd.DataFrame({C.LISTING: owners, C.POSITION: [3, 1, 1, 2, 4, 9], C.PATH: paths}).to_csv(
        new / "a.csv", index=False
    )
    sources = {name: FolderSource(tmp_path / name) for name in ("listings", "photos")}
    refresher = Refresher(run.path, sources)

    look = refresher.look()

    assert (look.new, look.changed, look.encoded.photos, look.encoded.listings) == (0, 1, 1, 0)
    assert len(look.problems) == 2
    assert "leaves the market folder" in look.problems[0] and "lost.png" in look.problems[1]
    run.market.listings.iloc[[0]].assign(**{C.LISTING: "fresh"}).to_parquet(
        tmp_path / "listings" / "a.parquet"
    )
    look = refresher.look()
    assert (look.new, look.changed, look.encoded.photos) == (1, 0, 1)
    opened, market = Run.open(run.path), Market.open(run.market.path)
    mine = market.photos[market.photos[C.LISTING] == "fresh"]
    assert [(market.path / path).suffix for path in mine[C.PATH]] == [".png", ".jpg", ".png"]  # by position
    assert len(market.photos[market.photos[C.LISTING] == old]) == 2
    embed_market(market, tmp_path / "whole", market_photos(market))
    whole = Run.open(tmp_path / "whole")
    for space in ("photos", "attributes"):
        np.testing.assert_array_equal(opened.vectors(space), whole.vectors(space))
    assert not Refresher(run.path, sources).look().published
