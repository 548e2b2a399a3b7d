"""The routes of the map: positions, colors, groups, facets and selections, so that the page changes without a rerun."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from listing_vibes.errors import VibesError
from listing_vibes.insight.map.parts import (
    about_part,
    facets_part,
    groups_part,
    names_part,
    places_part,
)
from listing_vibes.insight.map.space_map import SpaceMap
from listing_vibes.insight.selection.histories import token
from listing_vibes.run.histories import Event
from listing_vibes.serving.service.access import JSON
from listing_vibes_app.app_pages.map.unmet import end_of_day, unmet_layer
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.days import market_days
from listing_vibes_app.kit.gallery import listing_card, page_url
from listing_vibes_app.kit.map_points import colors, drawn_map
from listing_vibes_app.server.boundary import catch_errors, json_route, text_response
from listing_vibes_app.server.pages import NUMBER
from listing_vibes_app.server.photos import SMALL, base_path
from listing_vibes_app.server.routes import photo_response
from listing_vibes_app.server.runs import OpenRun, open_run, run_paths

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
MOST = 64  # listings in one request
LARGEST = 10_000  # bytes of a name with its group
Serve = Callable[[Request, OpenRun, SpaceMap], Response]


def _map(request: Request) -> tuple[OpenRun, SpaceMap] | None:
    name = request.path_params["run"]
    opened = open_run(name) if name in run_paths() else None
    drawn = None if opened is None else drawn_map(opened, request.path_params["space"])
    return None if opened is None or drawn is None else (opened, drawn)


def of_map(serve: Serve) -> Callable[[Request], Response]:
    """Make a route for data of the map of a run and a space."""

    @catch_errors
    def answer(request: Request) -> Response:
        pair = _map(request)
        return text_response("There is no such map.") if pair is None else serve(request, *pair)

    return answer


def _bytes(content: bytes, kind: str = "application/octet-stream") -> Response:
    return Response(content, media_type=kind, headers=_FOREVER)


def _json(content: Any) -> Response:
    return _bytes(json.dumps(content, ensure_ascii=False).encode(), JSON)


def _numbers(request: Request, drawn: SpaceMap) -> np.ndarray:
    """Return the numbers of listings on the map that a request is about.

    Raises:
        VibesError: one is not on the map, or there are too many.
    """
    parts = [part for part in request.query_params.get("of", "").split(",") if part]
    if len(parts) > MOST or not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise VibesError(f"Give the numbers of at most {MOST} listings.")
    numbers = np.array(parts, np.int64)
    if (numbers >= len(drawn.rows)).any():
        raise VibesError("There is no such listing.")
    return numbers


@of_map
def serve_part(request: Request, opened: OpenRun, drawn: SpaceMap) -> Response:
    """Respond with a part of the map by its name."""
    part = request.path_params["part"]
    if part not in PARTS:
        return text_response("There is no such part of the map.")
    return PARTS[part](request, opened, drawn)


def _colors(request: Request, opened: OpenRun, drawn: SpaceMap) -> Response:
    by = request.query_params.get("by", "")
    if by not in palettes.choices(opened.view):
        return text_response("There are no such colors.")
    return _bytes(colors(opened, drawn, by).codes.tobytes())


def _cards(request: Request, opened: OpenRun, drawn: SpaceMap) -> Response:
    names = drawn.names
    cards = []
    for number in _numbers(request, drawn):
        group = int(drawn.cluster[number])
        step = names[group] if group >= 0 else ""
        card = listing_card(opened, int(drawn.rows[number]), {"space": drawn.vector_space}, step=step)
        cards.append(asdict(card) | {"simulate": page_url(opened, "simulate", h=token(Event(card.id)))})
    return _json(cards)


def _unmet(request: Request, opened: OpenRun, drawn: SpaceMap) -> Response:
    return _json(unmet_layer(opened, drawn, end_of_day(opened, request.query_params.get("day"))))


PARTS: dict[str, Serve] = {
    "places": lambda _request, _opened, drawn: _bytes(places_part(drawn)),
    "colors": _colors,
    "groups": lambda _request, _opened, drawn: _json(groups_part(drawn)),
    "names": lambda _request, _opened, drawn: _json(names_part(drawn)),
    "facets": lambda _request, _opened, drawn: _json(facets_part(drawn)[0]),
    "codes": lambda _request, _opened, drawn: _bytes(facets_part(drawn)[1]),
    "about": lambda request, _opened, drawn: _json(about_part(drawn, request.query_params)),
    "cards": _cards,
    "unmet": _unmet,
}


@of_map
def serve_day(request: Request, opened: OpenRun, drawn: SpaceMap) -> Response:
    """Respond with the listings that were active, and those that users interacted with, on a day given by number."""
    days, number = market_days(opened), request.path_params["number"]
    if days is None or number >= len(days):
        return text_response("There is no such day.")
    return _bytes(days.codes(number, drawn.rows).tobytes())


@of_map
def serve_photo(request: Request, opened: OpenRun, drawn: SpaceMap) -> Response:
    """Respond with the cover of a listing by its number on the map."""
    number = request.path_params["number"]
    if number >= len(drawn.rows):
        return text_response("There is no such listing.")
    cover = next(iter(opened.view.photos(int(drawn.rows[number]))), None)
    return photo_response(request, opened.view, cover, SMALL)


def name_group(request: Request, content: bytes) -> Response:
    """Name a group of the map: JSON with `group` (its number) and `name`; an empty name removes it."""
    pair = _map(request)
    if pair is None:
        return text_response("There is no such map.")
    try:
        message = json.loads(content)
        group, name = message["group"], message["name"]
        is_valid = isinstance(group, int) and isinstance(name, str)
    except (ValueError, TypeError, KeyError):
        is_valid = False
    if not is_valid:
        raise VibesError('Send {"group": NUMBER, "name": TEXT} with the number of a group of this map.')
    pair[1].name(group, name)
    return _json({"name": pair[1].names[group]})


def routes() -> list[Route]:
    """Return the routes of the map."""
    base = f"{base_path()}/points/{{run}}/{{space}}"
    return [
        Route(f"{base}/day/{{number:{NUMBER}}}", serve_day),
        Route(f"{base}/photo/{{number:{NUMBER}}}", serve_photo),
        Route(f"{base}/name", json_route(name_group, LARGEST, "The name is too long."), methods=["POST"]),
        Route(f"{base}/{{part}}", serve_part),
    ]
