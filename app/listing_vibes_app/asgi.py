"""The server of the explorer: the Streamlit app and the routes for photos and pages, in one process.

Started by `streamlit run app/listing_vibes_app/asgi.py -- RUN [RUN ...]`; see `listing_vibes_app.server.command_line`.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from listing_vibes.serving.service.access import Access, AccessMiddleware
from listing_vibes_app.all_pages import PAGES
from listing_vibes_app.kit import deck_routes
from listing_vibes_app.server import boundary, warm
from listing_vibes_app.server.photos import base_path, photo_routes

#: A page loads from its own server only, so that injected markup in a title or a label cannot contact another machine.
#: Streamlit needs inline scripts, and scripts from text for components.
_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' blob: data:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "connect-src": "'self' data: blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
HEADERS = {
    "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in _POLICY.items()),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


def middleware() -> list[Middleware]:
    """Return the middleware of the explorer's routes.

    Raises:
        VibesError: see `Access.of_environment`.
    """
    return [Middleware(AccessMiddleware, access=Access.of_environment(), headers=HEADERS, browser=True)]


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
    routes=[*photo_routes(), *deck_routes.routes(), *(route for page in PAGES for route in page.routes())],
    middleware=middleware(),
)
