"""A user played by hand."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("simulate", "Simulate a user", ":material/draw:")
