"""Find listings like one, in every space of the bundled demo. Usage: python similar_listings.py [LISTING]"""

import sys

from listing_vibes import Run
from listing_vibes.demo.shipped import bundled_run


def main(listing: str) -> None:
    """Print five listings like `listing` by the model, by photos and by attributes."""
    run = Run.open(bundled_run())
    for space in run.spaces:
        print(f"\n{space}")
        print(run.similar(listing, k=5, space=space).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:] or ["home-0007"])
