"""Error handling: an error of the explorer is shown as a sentence on the page and in the responses of its routes.

The log also has the sentence, with the traceback if the server runs with --debug.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from listing_vibes.errors import DEBUG, VibesError, sentence_of
from listing_vibes.serving.service.access import JSON, is_json
from listing_vibes_app.view.formats import plain

P = ParamSpec("P")
_LOG = logging.getLogger("vibes.explorer")
#: Streamlit's logger of an error before `on_script_error`; `describe_error` logs the error instead.
logging.getLogger("streamlit.error_util").addFilter(lambda record: bool(os.environ.get(DEBUG)))


def describe_error(error: Exception) -> str:
    """Return the sentence of an error, and log it unless the error is expected."""
    sentence, debug = sentence_of(error), bool(os.environ.get(DEBUG))
    if debug or not isinstance(error, VibesError):
        _LOG.warning(sentence, exc_info=error if debug else None)
    return sentence


def show_error(error: Exception) -> bool:
    """Show an error as a sentence; return True, so that Streamlit does not show it again."""
    st.error(plain(describe_error(error)), icon=":material/error:")
    return True


@contextmanager
def boundary() -> Iterator[None]:
    """Show an error of the block in place of the block, so that the rest of the page is drawn."""
    try:
        yield
    except Exception as error:  # Streamlit's signals to stop or rerun do not derive from `Exception`
        show_error(error)


def text_response(text: str, status: int = 404) -> Response:
    """Return a response of plain text."""
    return Response(text, status_code=status, media_type="text/plain")


def catch_errors(serve: Callable[P, Response], code: int = 404) -> Callable[P, Response]:
    """Make a route respond with a sentence if it fails: with `code` for an expected error, else 500."""

    @wraps(serve)
    def answer(*given: P.args, **more: P.kwargs) -> Response:
        try:
            return serve(*given, **more)
        except Exception as error:
            return text_response(describe_error(error), code if isinstance(error, VibesError) else 500)

    return answer


def json_route(
    serve: Callable[[Request, bytes], Response], most: int, too_large: str
) -> Callable[[Request], Awaitable[Response]]:
    """Make a route that gets JSON: `serve` responds, in a thread, to a body of at most `most` bytes, of which no more are read.

    An expected error is a response with the code 400.
    """

    async def answer(request: Request) -> Response:
        if not is_json(request.headers.get("content-type", "")):
            return text_response(f"Send {JSON}.", 415)
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > most:
                return text_response(too_large, 413)
        return await run_in_threadpool(catch_errors(serve, 400), request, content)

    return answer
