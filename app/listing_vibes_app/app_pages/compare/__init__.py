"""The ablation, two runs, and the queries on which two rankings differ."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("compare", "Compare", ":material/compare_arrows:")
