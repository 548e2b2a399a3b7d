"""What a run shows at a glance, and its figures."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("overview", "Home", ":material/home:")
