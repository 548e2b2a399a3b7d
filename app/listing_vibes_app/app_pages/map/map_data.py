"""The routes of the map: positions, colors, groups, facets and selections, so that the page changes without a rerun."""

import json
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from listing_vibes.errors import VibesError
from listing_vibes.insight.map.parts import map_part, read_numbers
from listing_vibes.insight.map.space_map import SpaceMap
from listing_vibes.insight.selection.url_parameters import token
from listing_vibes.run.histories import Event
from listing_vibes.serving.service.access import JSON
from listing_vibes_app.app_pages.map.unmet import end_of_day, unmet_layer
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.gallery import listing_card, page_url
from listing_vibes_app.kit.map_points import colors, drawn_map
from listing_vibes_app.server.boundary import catch_errors, json_route, text_response
from listing_vibes_app.server.photos import SMALL, base_path, photo_response
from listing_vibes_app.server.runs import OpenRun, open_run, run_paths

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
LARGEST = 10_000  # bytes of a name with its group


def _map(request: Request) -> tuple[OpenRun, SpaceMap] | None:
    name = request.path_params["run"]
    opened = open_run(name) if name in run_paths() else None
    drawn = None if opened is None else drawn_map(opened, request.path_params["space"])
    return None if opened is None or drawn is None else (opened, drawn)


@catch_errors
def serve_part(request: Request) -> Response:
    """Respond with a part of the map of a run and a space by its name, see `map_part`; cards, colors and photos are the explorer's."""
    pair, part, params = _map(request), request.path_params["part"], request.query_params
    if pair is None:
        return text_response("There is no such map.")
    opened, drawn = pair
    match part:
        case "colors" if params.get("by", "") in palettes.choices(opened.view):
            return _respond(colors(opened, drawn, params["by"]).codes.tobytes())
        case "cards":
            return _respond([_card(opened, drawn, at) for at in read_numbers(params, len(drawn.rows))])
        case "photo":
            (at,) = read_numbers(params, len(drawn.rows), 1)
            cover = next(iter(opened.view.photos(int(drawn.rows[at]))), None)
            return photo_response(request, opened.view, cover, SMALL)
        case "unmet":
            return _respond(unmet_layer(opened, drawn, end_of_day(opened, params.get("day"))))
    content = map_part(drawn, part, params)
    return text_response("There is no such part of the map.") if content is None else _respond(content)


def _respond(content: Any) -> Response:
    if isinstance(content, bytes):
        return Response(content, media_type="application/octet-stream", headers=_FOREVER)
    return Response(json.dumps(content, ensure_ascii=False), media_type=JSON, headers=_FOREVER)


def _card(opened: OpenRun, drawn: SpaceMap, at: int) -> dict[str, Any]:
    group = int(drawn.cluster[at])
    step = drawn.names[group] if group >= 0 else ""
    card = listing_card(opened, int(drawn.rows[at]), {"space": drawn.vector_space}, step=step)
    return asdict(card) | {"simulate": page_url(opened, "simulate", h=token(Event(card.id)))}


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
    return _respond({"name": pair[1].names[group]})


def routes() -> list[Route]:
    """Return the routes of the map."""
    base = f"{base_path()}/points/{{run}}/{{space}}"
    return [
        Route(f"{base}/name", json_route(name_group, LARGEST, "The name is too long."), methods=["POST"]),
        Route(f"{base}/{{part}}", serve_part),
    ]
