"""Refreshing a run from a real PostgreSQL."""

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from helpers.copies import copied
from helpers.newcomers import new_events, new_listings
from helpers.postgres import postgres
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import source_of

pytestmark = pytest.mark.slow

EVENTS = """
    SELECT user_id, listing_id, happened AT TIME ZONE 'UTC' AS timestamp, action, duration_s::float8
    FROM events
"""


def test_new_rows_of_a_database_are_taken_in_once_whatever_the_order_they_become_visible_in(
    trained, tmp_path
):
    run = copied(trained, tmp_path)
    market = run.market
    listings = new_listings(market, 4)
    events = new_events(market, list(listings[C.LISTING]), 20, 10)
    rows = events.rename(columns={C.TIMESTAMP: "happened"}).assign(duration_s=events[C.DURATION].astype(str))
    with postgres() as address:
        database = create_engine(address)
        with database.begin() as connection:
            connection.execute(
                text(
                    "CREATE TABLE events (id bigserial, user_id text, listing_id text, happened timestamptz, "
                    "action text, duration_s numeric)"
                )
            )
            listings.to_sql("listings", connection, index=False)

        def refresh():
            sources = {
                "events": source_of("events", EVENTS, address),
                "listings": source_of("listings", "SELECT * FROM listings", address),
            }
            return Refresher(run.path, sources).refresh()

        insert = text(
            "INSERT INTO events (user_id, listing_id, happened, action, duration_s) "
            "VALUES (:user_id, :listing_id, :happened, :action, CAST(:duration_s AS numeric))"
        )
        late = database.connect()  # commits last
        late.execute(insert, rows[:5].to_dict("records"))
        with database.begin() as connection:
            connection.execute(insert, rows[5:15].to_dict("records"))
        look = refresh()
        assert (look.events, look.new) == (10, 4)
        late.commit()
        late.close()
        assert refresh().events == 5
        assert not refresh().published
        with database.begin() as connection:
            connection.execute(insert, rows[15:].to_dict("records"))
            connection.execute(text("UPDATE listings SET price = 7 WHERE listing_id = 'fresh-2'"))
        look = refresh()
        assert (look.events, look.new, look.changed) == (5, 0, 1)
        database.dispose()

    opened = Run.open(run.path)
    assert opened.version == 3
    mine = opened.market.events.merge(events, on=[C.USER, C.LISTING, C.TIMESTAMP, C.ACTION, C.DURATION])
    assert len(mine) == len(events)
    told = opened.market.listings.set_index(C.LISTING).loc[listings[C.LISTING]]
    expected = listings.set_index(C.LISTING).assign(
        price=lambda t: t["price"].where(t.index != "fresh-2", 7.0)
    )
    pd.testing.assert_frame_equal(told[expected.columns], expected, check_dtype=False, check_index_type=False)
