"""How a model of several markets is at work in one that took no part in its training."""

import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import MODELS
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.transfer import is_other_market
from listing_vibes.training.api import refit_settings


def test_a_run_is_of_another_market_where_that_lies_elsewhere_and_shares_no_listing(trained, bare):
    assert not is_other_market(trained.path, trained.market)
    listings = trained.market.listings.drop(columns=[C.LATITUDE, C.LONGITUDE])
    grown = Market.from_frames(pd.concat([listings.iloc[100:], bare.market.listings]))  # moved, too
    assert not is_other_market(trained.path, grown)
    other = Market.from_frames(bare.market.listings)
    assert is_other_market(trained.path, other)
    assert not is_other_market(MODELS / "homes", other)  # nobody can say
    with pytest.raises(VibesError, match=r"is of another market.* or begin from the model with --init-from"):
        refit_settings(trained.path, other)
