"""New rows for a market, as a marketplace would deliver them: listings like those there are, and events on both."""

import numpy as np
import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market


def new_listings(market: Market, count: int, seed: int = 0) -> pd.DataFrame:
    """`count` listings `fresh-0` ... whose cells are drawn column by column, published when the last event was."""
    rng = np.random.default_rng(seed)
    table = {
        name: market.listings[name].iloc[rng.integers(0, len(market.listings), count)].reset_index(drop=True)
        for name in market.listings.columns
    }
    found = pd.DataFrame(table)
    found[C.LISTING] = [f"fresh-{number}" for number in range(count)]
    for attribute in market.attributes:
        if attribute.kind == "text":  # texts that no cache knows
            found[attribute.name] = [
                f"{text} Number {n} of {seed}." for n, text in enumerate(found[attribute.name])
            ]
    if C.PUBLISHED in found:
        found[C.PUBLISHED] = market.events[C.TIMESTAMP].max()
        found[C.EXPIRES] = market.events[C.TIMESTAMP].max() + pd.Timedelta(days=30)
    return found


def new_events(market: Market, listings: list[str], count: int, users: int, seed: int = 0) -> pd.DataFrame:
    """`count` events after the last one: of `users`, a tenth of whom are new, on live listings and on `listings`."""
    rng = np.random.default_rng(seed)
    last = market.events[C.TIMESTAMP].max()
    known = market.events[C.USER].unique()
    people = [
        *rng.choice(known, users - users // 10, replace=False),
        *(f"nobody-{n}" for n in range(users // 10)),
    ]
    live = market.listings[C.LISTING].to_numpy()
    if C.EXPIRES in market.listings:
        live = live[(market.listings[C.EXPIRES] > last).to_numpy(bool)]
    homes = np.concatenate([live, np.repeat(listings, 3)])
    return pd.DataFrame(
        {
            C.USER: [people[n % users] for n in range(count)],
            C.LISTING: rng.choice(homes, count),
            C.TIMESTAMP: last + pd.to_timedelta(np.sort(rng.integers(1, 86_400, count)), unit="s"),
            C.ACTION: rng.choice(market.actions, count),
            C.DURATION: rng.uniform(2, 90, count).round(1),
        }
    )
