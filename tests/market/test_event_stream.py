"""Events part by part are the events of the market opened whole."""

import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.event_stream import event_count, event_frames
from listing_vibes.market.market import Market


def joined(market: Market, rows: int) -> tuple[pd.DataFrame, int]:
    frames = list(
        event_frames(market.path, market.listings[C.LISTING], market.config, market.names, rows=rows)
    )
    time = C.TIMESTAMP if market.timed else C.POSITION
    whole = pd.concat(frames).sort_values([C.USER, time], kind="stable").reset_index(drop=True)
    return whole, max(map(len, frames))


@pytest.mark.slow
@pytest.mark.parametrize("timed", [True, False])
def test_parts_hold_what_the_whole_holds(tiny_market, timed):
    path = tiny_market(listings=20, users=15, events_per_user=6, photos=0, timed=timed)
    raw = pd.read_parquet(path / "events.parquet")
    raw.loc[3, C.LISTING] = "nowhere"  # is skipped in both
    raw.to_parquet(path / "events.parquet", index=False)
    market = Market.open(path)
    whole, largest = joined(market, 7)
    assert largest <= 7 and len(whole) == 89 and event_count(path) == 90
    pd.testing.assert_frame_equal(whole, market.events)


def test_a_csv_is_read_too(tiny_market):
    path = tiny_market(photos=0)
    pd.read_parquet(path / "events.parquet").to_csv(path / "events.csv", index=False)
    (path / "events.parquet").unlink()
    market = Market.open(path)
    pd.testing.assert_frame_equal(joined(market, 7)[0], market.events)
    assert event_count(path) is None


@pytest.mark.parametrize("timed", [True, False])
def test_a_market_opens_without_its_events(tiny_market, timed):
    path = tiny_market(photos=0, timed=timed)
    light, whole = Market.open(path, events_too=False), Market.open(path)
    assert len(light.events) == 0 and light.timed == whole.timed and light.actions == whole.actions
    assert list(light.events) == list(whole.events) and light.fingerprint == whole.fingerprint
    bare = Market.open(tiny_market("bare", photos=0, users=0), events_too=False)
    assert not bare.timed and event_count(bare.path) == 0
    assert not list(event_frames(bare.path, bare.listings[C.LISTING], bare.config, bare.names))


def test_a_table_that_lacks_a_column_is_told(tiny_market):
    path = tiny_market(photos=0)
    pd.read_parquet(path / "events.parquet").drop(columns=C.USER).to_parquet(path / "events.parquet")
    with pytest.raises(VibesError, match="lacks the column 'user_id'"):
        Market.open(path, events_too=False)
    (path / "events.parquet").write_bytes(b"no parquet")
    with pytest.raises(VibesError, match="cannot be read as a table"):
        Market.open(path, events_too=False)
