"""URLs of photos."""

from urllib.parse import quote

import streamlit as st

from listing_vibes.insight.market_view import MarketView

SMALL, LARGE = 320, 800
SIZES = (SMALL, LARGE)


def base_path() -> str:
    """Return the path prefix of the server: empty, or for example `/explorer` with `server.baseUrlPath`."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def photo_url(run: str, view: MarketView, row: int, position: int, size: int = SMALL) -> str:
    """Return the URL of a listing's photo, which changes with the market."""
    listing, version = quote(view.ids[row], safe=""), view.market.fingerprint[:8]
    return f"{base_path()}/photo/{quote(run, safe='')}/{size}/{position}?listing={listing}&v={version}"


def cover_url(run: str, view: MarketView, row: int, size: int = SMALL) -> str | None:
    """Return the URL of a listing's first photo, None if it has none."""
    return photo_url(run, view, row, 0, size) if view.photos(row) else None
