"""Photos on the wire: their addresses, and the route that serves thumbnails made once and kept on disk."""

import statistics
import warnings
from urllib.parse import quote

import streamlit as st
from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from app.view import MarketView
from core.errors import VibesError

SMALL, LARGE = 320, 800
SIZES = (SMALL, LARGE)
BOXES = {"2 / 3": 2 / 3, "1 / 1": 1.0, "4 / 3": 4 / 3, "3 / 2": 3 / 2}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
# Grey that is calm on light and dark ground alike.
_UNREADABLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240" viewBox="0 0 320 240">'
    '<rect width="320" height="240" fill="#8a8f94" fill-opacity="0.18"/>'
    '<text x="160" y="124" text-anchor="middle" font-family="sans-serif" font-size="15" fill="#7b8085">'
    "This photo cannot be read</text></svg>"
)


def base_path() -> str:
    """The path under which the server answers: empty, or `/explorer` behind `server.baseUrlPath`."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def photo_url(run: str, view: MarketView, row: int, position: int, size: int = SMALL) -> str:
    """Address of a listing's photo; it changes with the market, so that browsers may keep what they have."""
    listing, version = quote(view.ids[row], safe=""), view.market.fingerprint[:8]
    return f"{base_path()}/photo/{quote(run, safe='')}/{size}/{position}?listing={listing}&v={version}"


def cover_url(run: str, view: MarketView, row: int, size: int = SMALL) -> str | None:
    """Address of a listing's first photo, None where it has none."""
    return photo_url(run, view, row, 0, size) if view.photos(row) else None


def serve(request: Request) -> Response:
    """Answer with a thumbnail; only photos of a run given at the start can be asked for, by listing and position."""
    from app.session import open_run, run_paths
    from core.run.thumbs import thumbnail

    path = run_paths().get(request.path_params["run"])
    size, position = request.path_params["size"], request.path_params["position"]
    if path is None or size not in SIZES:
        return Response("There is no such photo.", status_code=404, media_type="text/plain")
    try:
        view = open_run(path).view
        row = view.market.listing_row.get(request.query_params.get("listing", ""))
        photos = view.photos(row) if row is not None else []
        if position >= len(photos):
            return Response("There is no such photo.", status_code=404, media_type="text/plain")
        thumb = thumbnail(view.market, photos[position], size)
    except VibesError as error:
        return Response(str(error), status_code=404, media_type="text/plain")
    if thumb is None:
        return Response(_UNREADABLE, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})
    return FileResponse(thumb, headers=_FOREVER)


def routes() -> list[Route]:
    """The routes that the explorer adds to Streamlit's own."""
    return [Route(f"{base_path()}/photo/{{run}}/{{size:int}}/{{position:int}}", serve)]


def photo_box(view: MarketView, sample: int = 40) -> str:
    """The CSS aspect ratio of this market's photo boxes: the usual shape nearest to the median of some covers."""
    covers = list(view.market.cover.values())
    shapes = []
    for name in covers[:: max(1, len(covers) // sample)]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                with Image.open(view.market.path / name) as image:  # reads the header only
                    shapes.append(image.width / image.height)
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # a broken file says nothing about the shape of the others
    middle = statistics.median(shapes) if shapes else 4 / 3
    return min(BOXES, key=lambda box: abs(BOXES[box] - middle))
