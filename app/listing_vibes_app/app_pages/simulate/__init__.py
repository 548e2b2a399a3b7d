"""A simulated user."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("simulate", "Simulate a user", ":material/draw:")
