"""How a model of several markets is at work in one that took no part in its training."""

from dataclasses import replace

import pandas as pd
import pytest

import listing_vibes.run.transfer as origin_module
from listing_vibes.errors import VibesError
from listing_vibes.market.caches import MODELS
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.fits import count_repeated
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.transfer import is_other_market, transfer_settings
from listing_vibes.training.refit import refit_settings


def of_two_or_more(market: Market) -> int:
    return count_repeated(market.events[C.USER].value_counts().to_numpy())


@pytest.fixture
def crowded(small_market):
    """With 50 users of one event each beside its own."""
    once = small_market.events.head(1)
    many = pd.concat([once.assign(**{C.USER: f"once {number}"}) for number in range(50)])
    return replace(small_market, events=pd.concat([small_market.events, many], ignore_index=True))


def test_lists_of_homes_add_recency_and_neighbours_by_the_events_that_teach(crowded, monkeypatch):
    homes = Manifest.load(MODELS / "homes")
    taught = of_two_or_more(crowded)
    assert taught + 1 < len(crowded.events)
    monkeypatch.setattr(origin_module, "SMALL_MARKET", taught + 1)
    blend = transfer_settings(homes, crowded)[0].blend
    assert blend.weight > 0 and blend.neighbors > 0
    monkeypatch.setattr(origin_module, "SMALL_MARKET", taught)
    assert transfer_settings(homes, crowded)[0].blend is None


def test_what_users_hid_does_not_make_a_market_large(small_market, monkeypatch):
    homes, events = Manifest.load(MODELS / "homes"), small_market.events
    hidden = events.assign(**{C.ACTION: "hide"})
    market = replace(small_market, events=pd.concat([events, hidden], ignore_index=True))
    monkeypatch.setattr(origin_module, "SMALL_MARKET", of_two_or_more(small_market) + 1)
    assert transfer_settings(homes, market)[0].blend is not None


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
