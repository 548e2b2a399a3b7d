"""`python -m listing_vibes` is the command `vibes`."""

from listing_vibes.cli import main

main()
