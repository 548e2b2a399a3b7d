"""The one place where errors of the explorer become a sentence, on the page and in the responses of its routes.

The log has the sentence as well, with the traceback where the server runs with --debug.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response

from listing_vibes.errors import DEBUG, VibesError, sentence_of
from listing_vibes_app.view.formats import plain

_LOG = logging.getLogger("vibes.explorer")
#: What Streamlit logs of an error before it calls `on_script_error`; `describe_error` logs it instead.
logging.getLogger("streamlit.error_util").addFilter(lambda record: bool(os.environ.get(DEBUG)))


def describe_error(error: Exception) -> str:
    """Return the sentence of an error, and log it unless it is an expected one."""
    sentence, debug = sentence_of(error), bool(os.environ.get(DEBUG))
    if debug or not isinstance(error, VibesError):
        _LOG.warning(sentence, exc_info=error if debug else None)
    return sentence


def show_error(error: Exception) -> bool:
    """Show an error as a sentence; True, so that Streamlit does not show it again."""
    st.error(plain(describe_error(error)), icon=":material/error:")
    return True


@contextmanager
def boundary() -> Iterator[None]:
    """Show an error of the block in its place, so that the rest of the page goes on."""
    try:
        yield
    except Exception as error:  # Streamlit's own ways to stop or start again are no `Exception`
        show_error(error)


def text_response(text: str, status: int = 404) -> Response:
    """Return a response of plain text."""
    return Response(text, status_code=status, media_type="text/plain")


def catch_errors(serve: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Make a route answer with a sentence where it fails: 404 for an expected error, else 500."""

    @wraps(serve)
    def answer(request: Request) -> Response:
        try:
            return serve(request)
        except Exception as error:
            return text_response(describe_error(error), 404 if isinstance(error, VibesError) else 500)

    return answer
