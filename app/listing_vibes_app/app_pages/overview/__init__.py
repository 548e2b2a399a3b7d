"""A run, its quality, and links to the tasks of the explorer."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("overview", "Overview", ":material/home:")
