"""The routes of the deck and of the search of everything, which `presenter.js` requests."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from listing_vibes.cache import Cache
from listing_vibes.report.deck import deck_html, parse_slides
from listing_vibes.run.run import Run
from listing_vibes_app.kit.map_points import load_maps
from listing_vibes_app.server.boundary import catch_errors, json_route, text_response
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import open_run, run_paths, search_index

LARGEST = 400_000  # bytes of slides
FOUND = 6  # listings and users of a search
_DECKS: Cache[object, str] = Cache(4)  # the newest rendered decks


class _Runs(Mapping[str, Run]):
    """The open runs of the explorer by name, `first` first."""

    def __init__(self, first: str) -> None:
        self._names = dict.fromkeys([first, *run_paths()])

    def __getitem__(self, name: str) -> Run:
        if name not in self._names:
            raise KeyError(name)
        return open_run(name).run

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def draw_deck(request: Request, content: bytes) -> Response:
    """Respond with the deck of the slides in the request's JSON, which only the browser stores; for none, with the run's ready deck."""
    name = request.path_params["run"]
    if name not in run_paths():
        return text_response("There is no such run.")
    slides = parse_slides(content.decode(errors="replace"), "What the browser sent")
    key = (tuple(open_run(other).number for other in run_paths()), name, content)
    return HTMLResponse(_DECKS.get(key, lambda: deck_html(_Runs(name), slides or None)))


@catch_errors
def find_anything(request: Request) -> Response:
    """Respond with listings, users and groups of the map that match words: `label, kind, href` of each."""
    name, words = request.path_params["run"], request.query_params.get("q", "").strip()[:200]
    if name not in run_paths():
        return text_response("There is no such run.")
    opened = open_run(name)
    view, run = opened.view, {"run": name} if name != next(iter(run_paths())) else {}

    def entry(label: str, kind: str, page: str, **params: str) -> dict[str, str]:
        return {"label": label, "kind": kind, "href": f"{base_path()}/{page}?{urlencode({**params, **run})}"}

    rows, _ = search_index(opened).find(words)
    results = [
        entry(view.title(row), "Listing", "similar", listing=view.ids[row]) for row in rows[:FOUND].tolist()
    ]
    users = [user for user in view.log.users if words.lower() in user.lower()] if view.has_events else []
    results += [entry(user, "User", "users", user=user) for user in users[:FOUND]]
    for space, drawn in (load_maps(opened) or {}).items():
        for number, group in enumerate(drawn.names if drawn.grouped_by is None else []):
            if words.lower() in group.lower():
                results.append(entry(group, "Group", "map", space=space, group=str(number)))
    return JSONResponse(results[: 4 * FOUND])


def routes() -> list[Route]:
    """Return the routes."""
    base, too_large = base_path(), "These are too many slides, or too long notes; remove some."
    return [
        Route(f"{base}/deck/{{run}}", json_route(draw_deck, LARGEST, too_large), methods=["POST"]),
        Route(f"{base}/find/{{run}}", find_anything),
    ]
