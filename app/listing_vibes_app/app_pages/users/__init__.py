"""A user's history, and the recommendations as of any moment in it."""

from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("users", "Users", ":material/group:")
