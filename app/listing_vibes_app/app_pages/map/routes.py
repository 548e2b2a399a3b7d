"""The routes of the map: positions, groups and colors of all listings as bytes, and one listing as a card.

These are routes, so that a rerun of the page does not send the data again and browsers cache it.
"""

import json
from collections.abc import Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from listing_vibes.market.thumbnails import thumbnail
from listing_vibes_app.app_pages.map.unmet import codes, read_moment
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.days import market_days
from listing_vibes_app.kit.gallery import listing_card
from listing_vibes_app.kit.map_points import SpaceMap, load_maps
from listing_vibes_app.server.boundary import catch_errors, text_response
from listing_vibes_app.server.pages import NUMBER
from listing_vibes_app.server.photos import SMALL, base_path
from listing_vibes_app.server.routes import picture_response
from listing_vibes_app.server.runs import open_run, run_paths

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
Serve = Callable[[Request, SpaceMap], Response]


def of_map(serve: Serve) -> Callable[[Request], Response]:
    """Make a route for data of the map of a run and a space."""

    @catch_errors
    def answer(request: Request) -> Response:
        name = request.path_params["run"]
        maps = load_maps(open_run(name)) if name in run_paths() else None
        drawn = (maps or {}).get(request.path_params["space"])
        return text_response("There is no such map.") if drawn is None else serve(request, drawn)

    return answer


def of_listing(serve: Callable[[Request, SpaceMap, int], Response]) -> Callable[[Request], Response]:
    """Make a route for data of a listing, by its number on the map."""

    @of_map
    def answer(request: Request, drawn: SpaceMap) -> Response:
        number = request.path_params["number"]
        if number >= len(drawn.rows):
            return text_response("There is no such listing.")
        return serve(request, drawn, number)

    return answer


def _bytes(content: bytes) -> Response:
    return Response(content, media_type="application/octet-stream", headers=_FOREVER)


@of_map
def serve_space(request: Request, drawn: SpaceMap) -> Response:
    """Respond with the positions, the colors by one attribute, or the regions of unmet demand, of all listings."""
    by, what = request.query_params.get("by", ""), request.path_params["what"]
    if what == "places":
        return _bytes(drawn.points())
    if what == "unmet":
        return _bytes(codes(drawn, read_moment(request.query_params.get("at"))).tobytes())
    if by in palettes.choices(drawn.opened.view):
        return _bytes(drawn.colors(by).codes.tobytes())
    return text_response("There are no such colors.")


@of_map
def serve_day(request: Request, drawn: SpaceMap) -> Response:
    """Respond with the listings that were active, and those that users interacted with, on a day given by number."""
    days, number = market_days(drawn.opened), request.path_params["number"]
    if days is None or number >= len(days):
        return text_response("There is no such day.")
    return _bytes(days.codes(number, drawn.rows).tobytes())


@of_listing
def serve_photo(request: Request, drawn: SpaceMap, number: int) -> Response:
    """Respond with the cover of a listing."""
    view = drawn.opened.view
    photos = view.photos(int(drawn.rows[number]))
    cover = thumbnail(view.market.path, photos[0], SMALL) if photos else None
    if cover is None:
        return text_response("This listing has no photo that can be read.")
    return picture_response(request, cover)


@of_listing
def serve_listing(request: Request, drawn: SpaceMap, number: int) -> Response:
    """Respond with a listing as a card of the gallery."""
    group = int(drawn.cluster[number])
    step = drawn.portraits[group].name if group >= 0 else ""
    card = listing_card(drawn.opened, int(drawn.rows[number]), {"space": drawn.space}, step=step)
    return Response(json.dumps(asdict(card)), media_type="application/json", headers=_FOREVER)


def routes() -> list[Route]:
    """Return the routes of the map."""
    base = f"{base_path()}/points/{{run}}/{{space}}"
    return [
        Route(f"{base}/listing/{{number:{NUMBER}}}", serve_listing),
        Route(f"{base}/day/{{number:{NUMBER}}}", serve_day),
        Route(f"{base}/photo/{{number:{NUMBER}}}", serve_photo),
        Route(f"{base}/{{what}}", serve_space),
    ]
