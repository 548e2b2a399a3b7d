"""The server of the explorer: the Streamlit app, its pages' shell and the routes for photos and pages, in one process.

Started by `streamlit run app/listing_vibes_app/asgi.py -- RUN [RUN ...]`; see `listing_vibes_app.server.launch`.
"""

from pathlib import Path

import streamlit as st

from listing_vibes_app.registry import PAGES
from listing_vibes_app.server import access, boundary, photo_route, report_route, shell
from listing_vibes_app.server.photos import base_path

app = st.App(
    Path(__file__).with_name("main.py"),
    on_script_error=boundary.show,  # callbacks and fragments fail outside of what a page draws
    routes=[
        *photo_route.routes(),
        *report_route.routes(),
        *(route for page in PAGES for route in page.routes()),
        *shell.routes(base_path(), PAGES),
    ],
    middleware=access.middleware(),
)
