"""The one boundary for errors in the explorer: whatever goes wrong is told as one sentence, on the page and by the routes.

The log has the sentence, too, and the traceback where the server runs with --debug.
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
#: What Streamlit writes of an error before it asks `on_script_error`; here that is our work.
logging.getLogger("streamlit.error_util").addFilter(lambda record: bool(os.environ.get(DEBUG)))


def told(error: Exception) -> str:
    """The sentence of an error, also written to the log: with its traceback where that is asked for."""
    sentence, debug = sentence_of(error), bool(os.environ.get(DEBUG))
    if debug or not isinstance(error, VibesError):
        _LOG.warning(sentence, exc_info=error if debug else None)
    return sentence


def show(error: Exception) -> bool:
    """Show an error as the sentence it is; True, so that nothing else shows it."""
    st.error(plain(told(error)), icon=":material/error:")
    return True


@contextmanager
def boundary() -> Iterator[None]:
    """What fails within is told where it would have stood, and the rest of the page goes on."""
    try:
        yield
    except Exception as error:  # Streamlit's own ways to stop or begin again are none
        show(error)


def answering(serve: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """A route that answers with a sentence where it fails: 404 where something was asked for that cannot be had."""

    @wraps(serve)
    def answer(request: Request) -> Response:
        try:
            return serve(request)
        except Exception as error:
            status = 404 if isinstance(error, VibesError) else 500
            return Response(told(error), status_code=status, media_type="text/plain")

    return answer
