"""URLs of photos."""

from urllib.parse import quote

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.photo_decoding import thumbnail
from listing_vibes_app.server.boundary import catch_errors, text_response
from listing_vibes_app.server.pages import NUMBER
from listing_vibes_app.server.runs import open_run, run_paths

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


#: The file of a photo may change under the same URL, so browsers revalidate it by its ETag.
_CACHE = "public, max-age=60"
# A gray for light and dark backgrounds.
UNREADABLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240" viewBox="0 0 320 240">'
    '<rect width="320" height="240" fill="#8a8f94" fill-opacity="0.18"/>'
    '<text x="160" y="124" text-anchor="middle" font-family="sans-serif" font-size="15" fill="#7b8085">'
    "No photo that can be read</text></svg>"
)


@catch_errors
def serve_photo(request: Request) -> Response:
    """Respond with a thumbnail of a listing of one of the runs that the explorer was started with."""
    name, size = request.path_params["run"], request.path_params["size"]
    if name not in run_paths() or size not in SIZES:
        return text_response("There is no such photo.")
    view = open_run(name).view
    row = view.market.listing_row.get(request.query_params.get("listing", ""))
    photos = view.photos(row) if row is not None else []
    if request.path_params["position"] >= len(photos):
        return text_response("There is no such photo.")
    return photo_response(request, view, photos[request.path_params["position"]], size)


def photo_response(request: Request, view: MarketView, path: str | None, size: int) -> Response:
    """Respond with the thumbnail of a photo, whose file name is its content hash; 304 if the browser has it."""
    thumb = thumbnail(view.market.path, path, size) if path else None
    if thumb is None:
        return Response(UNREADABLE, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})
    headers = {"Cache-Control": _CACHE, "ETag": f'"{thumb.stem}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(thumb, headers=headers)


def photo_routes() -> list[Route]:
    """Return the route of photos."""
    return [Route(f"{base_path()}/photo/{{run}}/{{size:{NUMBER}}}/{{position:{NUMBER}}}", serve_photo)]
