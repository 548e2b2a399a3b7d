"""Whether a run's market still is the one that the run was made from, and what to do where it is not."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from listing_vibes.errors import VibesError, VibesWarning
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.folder import RunFolder


class MarketMismatch(VibesError):
    """The market no longer has the listings of a run, so that nothing can be said of them."""


class MarketChanged(VibesWarning):
    """The market of a run changed since the run was made."""


def changed_sentence(run: RunFolder) -> str:
    """Return what to tell of a run whose market changed."""
    return (
        f"The tables of {run.market_on_disk.path} changed since {run.path} was made from them, so its lists and figures may not fit "
        f"them any more; bring it up to date with `{_embed_again(run)}`."
    )


def market_of_run(run: RunFolder) -> Market:
    """Return the market of a run with the run's listings alone, in the run's order; warn where it changed.

    Raises:
        MarketMismatch: a listing of the run is missing from the market.
    """
    market, available = run.market_on_disk, run.listing_ids
    if not run.market_changed:
        return market
    missing = [item for item in available if item not in market.listing_row]
    if missing:
        raise MarketMismatch(
            f"{market.path} no longer has {count(len(missing), 'listing')} of the {len(available):,} that {run.path} was made from (such "
            f"as '{missing[0]}'); put its tables back, or bring the run up to date with `{_embed_again(run)}`."
        )
    warnings.warn(changed_sentence(run), MarketChanged, stacklevel=4)
    if list(market.listing_row) == available:
        return market
    rows = [market.listing_row[item] for item in available]
    photos, events = (
        table[table[C.LISTING].isin(available)].reset_index(drop=True)
        for table in (market.photos, market.events)
    )
    listings = market.listings.iloc[rows].reset_index(drop=True)
    return replace(market, listings=listings, photos=photos, events=events)


def _embed_again(run: RunFolder) -> str:
    model = f" --model {run.path}" if run.has_model else ""
    return f"vibes embed {run.market_on_disk.path} {run.path}{model}"
