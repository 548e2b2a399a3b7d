"""All listings of a space in the plane."""

from listing_vibes_app.app_pages.map.map_data import routes
from listing_vibes_app.server.pages import PageEntry

PAGE = PageEntry("map", "Vibe map", ":material/scatter_plot:", routes)
