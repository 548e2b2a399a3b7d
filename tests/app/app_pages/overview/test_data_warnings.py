"""What stands out in the events of a market."""

import pandas as pd

from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes_app.app_pages.overview.data_warnings import data_warnings


def warned(events: list[tuple[int, int, int]], listings: int) -> set[str]:
    """What is told of events (user, listing, hour)."""
    table = pd.DataFrame({"listing_id": [f"l{row}" for row in range(listings)], "rooms": range(listings)})
    rows = pd.DataFrame(
        [
            (f"u{user}", f"l{listing}", pd.Timestamp("2024-05-01", tz="UTC") + pd.Timedelta(hours=hour))
            for user, listing, hour in events
        ],
        columns=["user_id", "listing_id", "timestamp"],
    )
    return {one.what for one in data_warnings(profile(Market.from_frames(table, rows)))}


def test_users_of_one_event_listings_of_none_and_repeated_events_are_told_with_their_shares():
    events = [
        (user, (3 * user + place) % 15, 24 * place + user)
        for user in range(10)
        for place in range(1 if user < 4 else 3)
    ]
    assert {listing for _, listing, _ in events} == set(range(15))
    told = warned([*events, events[-1]], 20)
    assert {
        "40% of the users have one event only",
        "25% of the listings have no event",
        "1 event repeats user, listing and time",
    } <= told
    assert "2 events repeat user, listing and time" in warned([*events, *events[-2:]], 20)


def test_a_market_of_which_all_is_known_is_told_nothing_of_that():
    events = [(user, (user + place) % 10, 24 * place + user) for user in range(10) for place in range(4)]
    assert not [one for one in warned(events, 10) if "user" in one or "no event" in one]
