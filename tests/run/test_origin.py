"""How a model of several markets is at work in one that took no part in its training."""

from dataclasses import replace

import pandas as pd

from core.market.columns import Columns as C
from core.run.origin import repeated


def test_users_of_one_event_do_not_make_a_market_large(small_market):
    events = small_market.events
    before = repeated(small_market)
    once = events.head(1)
    many = pd.concat([once.assign(**{C.USER: f"once {number}"}) for number in range(50)])
    assert repeated(replace(small_market, events=pd.concat([events, many], ignore_index=True))) == before
    assert 0 < before <= len(events)
    twice = pd.concat([events, once.assign(**{C.USER: "new"}), once.assign(**{C.USER: "new"})])
    assert repeated(replace(small_market, events=twice)) == before + 2
