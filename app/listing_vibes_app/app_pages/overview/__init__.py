"""What a run is, how good it is, and the ways into the explorer."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("overview", "Overview", ":material/home:")
