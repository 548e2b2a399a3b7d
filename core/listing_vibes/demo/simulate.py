"""Simulate the demo market: homes, listings, users and their sessions, written as a market folder.

It demonstrates the tool and makes no claim about real markets. `listing_vibes.demo.choice` documents the choice model, and
`parameters.toml` has all numbers.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from listing_vibes.demo.choice import Stock
from listing_vibes.demo.homes import homes
from listing_vibes.demo.listings import Offer, listings_frame, market_config, offers
from listing_vibes.demo.parameters import Parameters, load_parameters
from listing_vibes.demo.sessions import simulate_events
from listing_vibes.demo.users import People, people
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import write_table
from listing_vibes.market.writer import replacing, write_market


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
        p, given = parameters or load_parameters(), {"seed": seed, "listings": listings, "users": users}
        size = p.market.replace(**{name: value for name, value in given.items() if value is not None})
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


def simulate(
    path: Path,
    photo_root: Path | None = None,
    seed: int | None = None,
    *,
    truth: Path | None = None,
    listings: int | None = None,
    users: int | None = None,
    parameters: Parameters | None = None,
    overwrite: bool = False,
) -> World:
    """Write the market folder `path`, and return its latent world; the same seed and parameters give the same market.

    `photo_root` holds the photos, `photo_root/photos/<number>_<room>.webp`; existing ones are copied and listed
    in the photos table. The truth is written to the file `truth` where one is given, never into the market.
    None means the value of the parameters. `overwrite` replaces an existing market in `path`.

    Raises:
        VibesError: the folder cannot be written, holds a market without `overwrite`, or holds other content.
    """
    world = World.draw(seed, listings, users, parameters)
    p = world.parameters
    table = listings_frame(world.offers, world.seed, p)
    photos = photos_frame(world.offers, photo_root) if photo_root is not None else None
    events = simulate_events(world.offers, world.stock, world.people, world.seed, p)
    with replacing(path, overwrite, "simulate"):
        write_market(path, market_config(), table, photos, events, photo_root)
    if truth is not None:
        write_table(truth, world.truth)
    return world


def photos_frame(offers: list[Offer], photo_root: Path) -> pd.DataFrame | None:
    """Return the table `photos` of the photos that exist under `photo_root`; None where there is none."""
    rows = []
    for offer in offers:
        present = [path for path in offer.home.photo_paths if (Path(photo_root) / path).is_file()]
        rows += [(offer.listing_id, position, path) for position, path in enumerate(present)]
    return pd.DataFrame(rows, columns=[C.LISTING, C.POSITION, C.PATH]) if rows else None
