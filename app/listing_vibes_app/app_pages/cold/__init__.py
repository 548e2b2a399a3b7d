"""The launch of a new listing, and listings without events."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("cold", "Launch a listing", ":material/rocket_launch:")
