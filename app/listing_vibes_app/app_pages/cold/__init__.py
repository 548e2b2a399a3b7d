"""Listings without events."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("cold", "Cold start", ":material/ac_unit:")
