"""Large identifiers stay exact wherever tables of Arrow become frames."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.importers import import_market
from listing_vibes.market.io import to_frame
from listing_vibes.market.market import Market
from listing_vibes.market.values import to_numbers

LARGE = 10**16


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64()])
def test_large_whole_numbers_stay_what_they_are_where_some_are_missing(kind):
    table = pa.table({"large": pa.array([LARGE + 1, None], kind), "small": pa.array([7, None], kind)})
    for frame in (to_frame(table), to_frame(table.to_batches()[0])):
        assert int(frame["large"][0]) == LARGE + 1 and frame["large"].isna().tolist() == [False, True]
        assert frame["small"].dtype == "float64"  # which is quicker, and holds them
    values, bad = to_numbers(frame["large"])
    assert values[0] == 1e16 and np.isnan(values[1]) and not bad.any()


def test_whole_numbers_below_zero_count_as_large_ones_do():
    frame = to_frame(
        pa.table({"few": pa.array([-LARGE - 1, None]), "none": pa.array([None, None], pa.int8())})
    )
    assert int(frame["few"][0]) == -LARGE - 1 and frame["none"].isna().all()


@pytest.fixture
def shop(tmp_path):
    """A folder of tables with large ids, of which events and photos lack one each."""
    path = tmp_path / "shop"
    path.mkdir()
    ids = [LARGE + 1, LARGE + 3]
    pq.write_table(pa.table({C.LISTING: ids, "price": [1, 2]}), path / "listings.parquet")
    events = {C.USER: [LARGE + 5, LARGE + 7, None], C.LISTING: [*ids, None], C.POSITION: [1, 2, 3]}
    pq.write_table(pa.table(events), path / "events.parquet")
    photos = {C.LISTING: [ids[1], None], C.URL: ["https://a.invalid/1.jpg", "https://a.invalid/2.jpg"]}
    pq.write_table(pa.table(photos), path / "photos.parquet")
    return path


def test_events_find_their_listings_though_one_lacks_its_own(shop, tmp_path):
    market = Market.open(shop)
    assert (
        market.events[C.LISTING].tolist()
        == market.listings[C.LISTING].tolist()
        == [str(LARGE + 1), str(LARGE + 3)]
    )
    assert market.events[C.USER].tolist() == [str(LARGE + 5), str(LARGE + 7)]
    import_market("tables", shop, tmp_path / "market")
    assert Market.open(tmp_path / "market").photos[C.LISTING].tolist() == [str(LARGE + 3)]
