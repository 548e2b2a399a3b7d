"""What a cover's colours are called."""

import numpy as np
import pytest
from PIL import Image

from browser.painted import paint_market
from listing_vibes.insight.map.cluster_names import portraits
from listing_vibes.insight.map.tones import LABEL, TONES, coded_tones, tones_of
from listing_vibes.market.market import Market

COLOURS = {
    "white": (240, 240, 236), "grey": (128, 128, 130), "dark": (20, 22, 24), "wood": (150, 100, 60), "red": (200, 40, 40),
    "yellow": (230, 210, 60), "green": (60, 160, 70), "blue": (50, 90, 200), "purple": (150, 50, 190),
}  # fmt: skip


@pytest.fixture
def market(tmp_path):
    """Nine listings with a cover of one tone each, and one whose cover cannot be read."""
    market = Market.open(paint_market(tmp_path / "market", listings=11, photos=1, users=0))
    for (listing, cover), colour in zip(sorted(market.cover.items()), COLOURS.values(), strict=False):
        Image.new("RGB", (60, 40), colour).save(market.path / cover)
        assert listing in market.listing_row
    (market.path / sorted(market.cover.items())[9][1]).write_bytes(b"no photo")
    return market


def test_each_tone_is_told_and_what_has_no_photo_has_none(market):
    names = sorted(market.cover)
    found = tones_of(market, [*names, "ghost"])
    bits = found["tones"].to_numpy()
    for at, tone in enumerate(TONES):
        assert int(bits[at]) >> at & 1, tone
    assert found.iloc[9:].isna().all().all()
    light = found["light"].to_numpy()
    assert light[0] > light[1] > light[2] and found["chroma"].to_numpy()[4] > found["chroma"].to_numpy()[0]


def test_a_name_begins_with_what_photos_show(market):
    names = sorted(market.cover)
    rows = np.array([market.listing_row[name] for name in names])
    (coded,) = coded_tones(tones_of(market, names))
    groups = np.where(np.isin(np.arange(len(rows)), [0, 1]), 0, 1)
    found = portraits(
        market,
        rows,
        groups,
        coded=[("Deal", [("rent", "rent")], np.array([0, 1]), np.array([0, 0])), coded],
        leading=(LABEL,),
    )
    assert found[0].name.split(" · ")[:2] != ["Rent"] and found[0].name.split(" · ")[-1] == "rent"
    assert coded_tones(tones_of(market, ["ghost"])) == []
