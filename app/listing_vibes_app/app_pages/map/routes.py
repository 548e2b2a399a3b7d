"""The map on the wire: places, groups and colours of all listings as plain bytes, and one listing as a card.

They come from routes of their own, so that a rerun of the page carries none of them and browsers keep what they have.
"""

import json
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from listing_vibes.run.thumbs import thumbnail
from listing_vibes_app.app_pages.map.days import day_bytes
from listing_vibes_app.app_pages.map.unmet import codes, read_at
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.cards import listing_card
from listing_vibes_app.kit.map_points import load_maps
from listing_vibes_app.server.boundary import answering
from listing_vibes_app.server.pages import NUMBER
from listing_vibes_app.server.photo_route import picture
from listing_vibes_app.server.photos import SMALL, base_path
from listing_vibes_app.server.runs import OpenRun, open_run, run_paths

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


def _run_of(request: Request) -> OpenRun | None:
    name = request.path_params["run"]
    return open_run(name) if name in run_paths() else None


def _nothing(why: str = "There is no such map.") -> Response:
    return Response(why, status_code=404, media_type="text/plain")


@answering
def serve_space(request: Request) -> Response:
    """The places, or the colours by one attribute, of all listings of a space."""
    opened = _run_of(request)
    maps = load_maps(opened) if opened is not None else None
    one = (maps or {}).get(request.path_params["space"])
    by = request.query_params.get("by", "")
    if opened is None or one is None:
        return _nothing()
    if request.path_params["what"] == "places":
        content = one.points()
    elif request.path_params["what"] == "unmet":
        content = codes(one, read_at(request.query_params.get("at"))).tobytes()
    elif by in palettes.choices(opened.view):
        content = one.colours(by).codes.tobytes()
    else:
        return _nothing("There are no such colours.")
    return Response(content, media_type="application/octet-stream", headers=_FOREVER)


@answering
def serve_day(request: Request) -> Response:
    """Which listings of a space were live on a day, by its number, and which were touched."""
    opened = _run_of(request)
    maps = load_maps(opened) if opened is not None else None
    one = (maps or {}).get(request.path_params["space"])
    try:
        content = None if one is None else day_bytes(one, request.path_params["number"])
    except IndexError:
        content = None
    if content is None:
        return _nothing("There is no such day.")
    return Response(content, media_type="application/octet-stream", headers=_FOREVER)


@answering
def serve_photo(request: Request) -> Response:
    """The cover of a listing, by its number on the map of a space."""
    opened = _run_of(request)
    maps = load_maps(opened) if opened is not None else None
    one, number = (maps or {}).get(request.path_params["space"]), request.path_params["number"]
    if opened is None or one is None or number >= len(one.rows):
        return _nothing("There is no such listing.")
    photos = opened.view.photos(int(one.rows[number]))
    cover = thumbnail(opened.view.market, photos[0], SMALL) if photos else None
    if cover is None:
        return _nothing("This listing has no photo that can be read.")
    return picture(request, cover)


@answering
def serve_listing(request: Request) -> Response:
    """One listing as a card of the gallery, by its number on the map of a space."""
    opened = _run_of(request)
    maps = load_maps(opened) if opened is not None else None
    one = (maps or {}).get(request.path_params["space"])
    if opened is None or one is None or request.path_params["number"] >= len(one.rows):
        return _nothing("There is no such listing.")
    number = request.path_params["number"]
    space = None if one.space == opened.run.spaces[0] else one.space
    card = asdict(listing_card(opened, int(one.rows[number]), params={"space": space}))
    if one.cluster[number] >= 0:
        card["step"] = one.portraits[one.cluster[number]].name
    return Response(json.dumps(card), media_type="application/json", headers=_FOREVER)


def routes() -> list[Route]:
    """The routes of the map."""
    base = f"{base_path()}/points/{{run}}/{{space}}"
    return [
        Route(f"{base}/listing/{{number:{NUMBER}}}", serve_listing),
        Route(f"{base}/day/{{number:{NUMBER}}}", serve_day),
        Route(f"{base}/photo/{{number:{NUMBER}}}", serve_photo),
        Route(f"{base}/{{what}}", serve_space),
    ]
