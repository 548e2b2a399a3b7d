"""New rows for a market, as a marketplace would deliver them: listings like those there are, and events on both."""

from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import Refresher


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


class Shop:
    """A run, its market, and folders that new rows are put into."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.market, self.folder = run.path, run.market, folder / "new"
        for name in ("events", "listings"):
            (self.folder / name).mkdir(parents=True)

    def deliver(self, name: str, **tables: pd.DataFrame) -> None:
        for table, rows in tables.items():
            rows.to_parquet(self.folder / table / f"{name}.parquet", index=False)

    def refresher(self, **options) -> Refresher:
        sources = {name: FileSource(self.folder / name) for name in ("events", "listings")}
        return Refresher(self.run, sources, **options)

    def refresh(self):
        return self.refresher().refresh()

    def is_followed(self) -> bool:
        """Whether the market's folder has the tables of the run."""
        return Market.open(self.market.path).fingerprint == Run.open(self.run).manifest.fingerprint
