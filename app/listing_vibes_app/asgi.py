"""The server of the explorer: the Streamlit app and the routes for photos and pages, in one process.

Started by `streamlit run app/listing_vibes_app/asgi.py -- RUN [RUN ...]`; see `listing_vibes_app.server.launch`.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st

from listing_vibes_app.kit import deck_routes
from listing_vibes_app.registry import PAGES
from listing_vibes_app.server import access, boundary, routes, warm
from listing_vibes_app.server.photos import base_path

# With Python's handler, a KeyboardInterrupt after the shutdown would make `streamlit run` print "Aborted!".
signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def announce(_app: st.App) -> AsyncIterator[None]:
    """Open the first run in the background, and print the URL of the explorer; Streamlit's own lines are switched off in `.streamlit/config.toml`."""
    host, port = st.get_option("server.address"), st.get_option("server.port")
    warm.start()
    print(f"Explorer at http://{host}:{port}{base_path()} (stop with Ctrl+C)", flush=True)
    yield


app = st.App(
    Path(__file__).with_name("main.py"),
    lifespan=announce,
    on_script_error=boundary.show_error,  # errors of callbacks and fragments do not pass through the page's script
    routes=[*routes.routes(), *deck_routes.routes(), *(route for page in PAGES for route in page.routes())],
    middleware=access.middleware(),
)
