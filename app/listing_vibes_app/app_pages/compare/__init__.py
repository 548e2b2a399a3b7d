"""Parts of the method, two runs, and queries on which they differ."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("compare", "Compare", ":material/compare_arrows:")
