"""Checks whether a run's market changed since the run was written, and restricts it to the run's listings."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from listing_vibes.errors import VibesError, VibesWarning
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run


class MarketMismatch(VibesError):
    """The market no longer has the listings of a run."""


class MarketChanged(VibesWarning):
    """The market of a run changed since the run was written."""


def changed_sentence(run: Run) -> str:
    """Return the warning for a run whose market changed."""
    return (
        f"The tables of {run.market_on_disk.path} changed since {run.path} was written, so its lists and figures may be out of "
        f"date; update it with `{_embed_again(run)}`."
    )


def market_of_run(run: Run) -> Market:
    """Return the market of a run restricted to the run's listings, in the run's order; warn if it changed.

    Raises:
        MarketMismatch: a listing of the run is missing from the market.
    """
    market = run.market_on_disk
    if not run.market_changed:
        return market
    ids = run.listing_ids
    missing = [item for item in ids if item not in market.listing_row]
    if missing:
        raise MarketMismatch(
            f"{market.path} no longer has {count(len(missing), 'listing')} of {run.path} (such as '{missing[0]}'); restore its "
            f"tables, or update the run with `{_embed_again(run)}`."
        )
    warnings.warn(changed_sentence(run), MarketChanged, stacklevel=4)
    if list(market.listing_row) == ids:
        return market
    tables = (market.photos, market.events)
    photos, events = (table[table[C.LISTING].isin(ids)].reset_index(drop=True) for table in tables)
    listings = market.listings.iloc[[market.listing_row[item] for item in ids]].reset_index(drop=True)
    return replace(market, listings=listings, photos=photos, events=events)


def _embed_again(run: Run) -> str:
    return f"vibes embed {run.market_on_disk.path} {run.path}"
