"""The route that serves thumbnails, made once and kept on disk."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from listing_vibes.run.thumbs import thumbnail
from listing_vibes_app.server.boundary import answering
from listing_vibes_app.server.pages import NUMBER
from listing_vibes_app.server.photos import SIZES, base_path
from listing_vibes_app.server.runs import open_run, run_paths

#: A photo's file may be replaced, and its address stays: browsers ask again, and what they have is good while its name is.
_FOR_NOW = "public, max-age=60"
# Grey that is calm on light and dark ground alike.
_UNREADABLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240" viewBox="0 0 320 240">'
    '<rect width="320" height="240" fill="#8a8f94" fill-opacity="0.18"/>'
    '<text x="160" y="124" text-anchor="middle" font-family="sans-serif" font-size="15" fill="#7b8085">'
    "This photo cannot be read</text></svg>"
)


@answering
def serve(request: Request) -> Response:
    """Answer with a thumbnail; only photos of a run given at the start can be asked for, by listing and position."""
    name = request.path_params["run"]
    size, position = request.path_params["size"], request.path_params["position"]
    if name not in run_paths() or size not in SIZES:
        return Response("There is no such photo.", status_code=404, media_type="text/plain")
    view = open_run(name).view
    row = view.market.listing_row.get(request.query_params.get("listing", ""))
    photos = view.photos(row) if row is not None else []
    if position >= len(photos):
        return Response("There is no such photo.", status_code=404, media_type="text/plain")
    thumb = thumbnail(view.market, photos[position], size)
    if thumb is None:
        return Response(_UNREADABLE, media_type="image/svg+xml", headers={"Cache-Control": "no-cache"})
    return picture(request, thumb)


def picture(request: Request, thumb: Path) -> Response:
    """Answer with a thumbnail, which is named by its content, or with no more than that the browser has it."""
    headers = {"Cache-Control": _FOR_NOW, "ETag": f'"{thumb.stem}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(thumb, headers=headers)


def routes() -> list[Route]:
    """The routes that the explorer adds to Streamlit's own."""
    return [Route(f"{base_path()}/photo/{{run}}/{{size:{NUMBER}}}/{{position:{NUMBER}}}", serve)]
