"""The route that makes a report with pinned views: they lie in the viewer's browser, which sends them."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from listing_vibes.errors import VibesError
from listing_vibes.report.page import report_html
from listing_vibes.report.pins import pins_of
from listing_vibes.run.run import Run
from listing_vibes.serving.service.access import JSON, is_json
from listing_vibes_app.server.boundary import told
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import open_run, run_paths

LARGEST = 400_000  # bytes of what a browser sends


async def serve(request: Request) -> Response:
    """Answer with the report of a run, with the views of the request's JSON."""
    if not is_json(request.headers.get("content-type", "")):
        return Response(f"Send the pinned views as {JSON}.", status_code=415, media_type="text/plain")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > LARGEST:
            return Response(
                "These are too many pinned views, or too long notes; take some out.",
                status_code=413,
                media_type="text/plain",
            )
    return await run_in_threadpool(_report, request.path_params["run"], content)


def _report(name: str, content: bytes) -> Response:
    if name not in run_paths():
        return Response("There is no such run.", status_code=404, media_type="text/plain")
    try:
        pins = pins_of(content, "What the browser sent")
        return HTMLResponse(report_html(open_run(name).run, pins, lambda other: _run(other or name)))
    except Exception as error:
        status = 400 if isinstance(error, VibesError) else 500
        return Response(told(error), status_code=status, media_type="text/plain")


def _run(name: str) -> Run | None:
    return open_run(name).run if name in run_paths() else None


def routes() -> list[Route]:
    """The routes of reports."""
    return [Route(f"{base_path()}/report/{{run}}", serve, methods=["POST"])]
