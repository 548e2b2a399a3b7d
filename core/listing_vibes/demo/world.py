"""The latent world of a demo market: everything that is drawn before the first click."""

from dataclasses import dataclass

import pandas as pd

from listing_vibes.demo.choice import Stock
from listing_vibes.demo.homes import homes
from listing_vibes.demo.listings import Offer, offers
from listing_vibes.demo.parameters import Parameters, load_parameters
from listing_vibes.demo.users import People, people
from listing_vibes.market.columns import Columns as C


@dataclass(frozen=True, eq=False)
class World:
    """Homes on offer and users who search, of one seed."""

    seed: int
    parameters: Parameters
    offers: list[Offer]
    stock: Stock
    people: People

    @classmethod
    def draw(
        cls,
        seed: int | None = None,
        listings: int | None = None,
        users: int | None = None,
        parameters: Parameters | None = None,
    ) -> "World":
        """Draw the world of a seed; None means the value of the parameters."""
        p = parameters or load_parameters()
        size = p.market.replace(
            seed=p.market.seed if seed is None else seed,
            listings=p.market.listings if listings is None else listings,
            users=p.market.users if users is None else users,
        )
        p = p.replace(market=size)
        offered = offers(homes(size.listings, size.seed, p), size.seed, p)
        return cls(size.seed, p, offered, Stock.of(offered, p), people(size.users, offered, size.seed, p))

    @property
    def first(self) -> int:
        """The start of the log, in nanoseconds since 1970 UTC."""
        return int(pd.Timestamp(self.parameters.market.first_day, tz="UTC").as_unit("ns").value)

    @property
    def truth(self) -> pd.DataFrame:
        """The columns listing_id, vibe and quality, which no column of the market contains."""
        return pd.DataFrame(
            [(o.listing_id, o.home.vibe, o.home.quality) for o in self.offers],
            columns=[C.LISTING, "vibe", "quality"],
        )
