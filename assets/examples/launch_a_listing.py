"""Change the price of a listing on paper and see its audience. Usage: python launch_a_listing.py [LISTING]"""

import sys

from listing_vibes import Run, launch
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.insight.audience import Crowd


def main(listing: str) -> None:
    """Print which share of users would have the listing among their first 30, at three prices."""
    run = Run.open(bundled_run())
    price = run.market.listings.set_index("listing_id").loc[listing, "price"]
    crowd = Crowd.of(run)  # the users and their lists, once for all prices
    for factor in (0.9, 1.0, 1.1):
        draft = {"like": listing, "price": float(price * factor)}
        result = launch(run, draft, advise=False, crowd=crowd)
        print(f"price {price * factor:,.0f}: {result.share:.1%} of {result.population.describe()}")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["home-0007"])
