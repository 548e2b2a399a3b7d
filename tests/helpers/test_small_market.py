"""The small market that tests train on is sound and seeded."""

import pandas as pd
import pytest

from helpers.small_market import generate
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split


@pytest.mark.slow
def test_the_same_seed_gives_the_same_market(tmp_path):
    for name in ("a", "b"):
        generate(tmp_path / name, listings=60, users=40)
    generate(tmp_path / "c", listings=60, users=40, seed=1)
    a, b, c = (Market.open(tmp_path / name) for name in "abc")
    pd.testing.assert_frame_equal(a.events, b.events)
    pd.testing.assert_frame_equal(a.listings, b.listings)
    assert a.fingerprint == b.fingerprint != c.fingerprint


@pytest.mark.slow
def test_it_is_sound_and_says_what_it_is(tmp_path):
    generate(tmp_path / "market")
    market = Market.open(tmp_path / "market")
    assert market.defects == []
    assert "simulated" in market.name.lower() and "do not exist" in market.config.note
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue)
    assert len(split.test) > 800 and len(split.valid) > 400
    live = (catalogue.since[log.listing] <= log.time) & (log.time < catalogue.until[log.listing])
    assert live.all()
