"""Similar listings and their explanation."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("similar", "Similar listings", ":material/grid_view:")
