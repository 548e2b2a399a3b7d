"""What tests of posted events share."""

from types import SimpleNamespace

import pytest


@pytest.fixture
def untimed(trained):
    """What a live log asks of a run whose events have positions and no times, and none of any user yet."""
    market = SimpleNamespace(timed=False, names=trained.market.names)
    return SimpleNamespace(market=market, log=trained.log, user_number={}, listing_row=trained.listing_row)
