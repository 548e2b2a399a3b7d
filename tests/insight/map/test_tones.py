"""What a cover's colors are called."""

import pytest
from PIL import Image

from browser.painted import paint_market
from listing_vibes.insight.map.tones import LABEL, TONES, coded_tones, tones_of
from listing_vibes.market.market import Market

COLORS = {
    "white": (240, 240, 236), "gray": (128, 128, 130), "dark": (20, 22, 24), "wood": (150, 100, 60), "red": (200, 40, 40),
    "yellow": (230, 210, 60), "green": (60, 160, 70), "blue": (50, 90, 200), "purple": (150, 50, 190),
}  # fmt: skip


@pytest.fixture
def market(tmp_path):
    """Nine listings with a cover of one tone each, and one whose cover cannot be read."""
    market = Market.open(paint_market(tmp_path / "market", listings=11, photos=1, users=0))
    for (listing, cover), color in zip(sorted(market.cover.items()), COLORS.values(), strict=False):
        Image.new("RGB", (60, 40), color).save(market.path / cover)
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


def test_tones_are_coded_for_portraits(market):
    names = sorted(market.cover)
    ((label, told, place, code),) = coded_tones(tones_of(market, names))
    tones = [told[at][0] for at in code[place == 4]]
    assert label == LABEL and "red tones" in tones and "stronger colors" in tones
    assert "darker photos" in [told[at][0] for at in code[place == 2]]
    assert coded_tones(tones_of(market, ["ghost"])) == []
