"""What a page asks of a user's history as of one of its events."""

from types import SimpleNamespace

import pandas as pd

from listing_vibes.insight.selection.pages import as_of
from listing_vibes.market.log import DAY


def test_where_a_moment_does_not_tell_the_known_events_from_others_the_events_themselves_are_asked(make_log):
    log = make_log([0] * 4, [0, 1, 2, 3], [DAY, 2 * DAY, 2 * DAY, 3 * DAY], 4, 1)
    market = SimpleNamespace(listings=pd.DataFrame({"listing_id": list("abcd")}))
    told = [as_of(SimpleNamespace(log=log, market=market), 0, at) for at in (1, 2, 3, 4)]
    assert [asked for asked, _, _ in told] == ["u0", "", "u0", "u0"]
    assert [moment for _, moment, _ in told] == [
        "1970-01-03T00:00:00", "1970-01-03T00:00:00", "1970-01-04T00:00:00", None,
    ]  # fmt: skip
    assert [[event.listing for event in history] for _, _, history in told] == [[], ["a", "b"], [], []]
