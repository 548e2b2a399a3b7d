"""The boundary: every error is one sentence, on the page and by the routes; tracebacks are for --debug."""

import errno
import logging

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

import listing_vibes_app.server.pages
from listing_vibes.errors import DEBUG, VibesError
from listing_vibes_app.server.boundary import answering

ERRORS = {
    "full": OSError(errno.ENOSPC, "No space left on device", "run/model"),
    "nested": RecursionError("maximum recursion depth exceeded"),
    "memory": MemoryError(),
    "value": ValueError("Cannot load file containing pickled data when allow_pickle=False"),
    "other": KeyError("![x](http://hostile.invalid/x.png)"),
}


def _page():
    import streamlit as st
    from tests_errors import ERRORS

    from listing_vibes_app.server.boundary import boundary

    with boundary():
        raise ERRORS[st.query_params["kind"]]
    st.markdown("the rest")  # type: ignore[unreachable]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_on_the_page_is_one_sentence_and_the_rest_goes_on(monkeypatch, kind, caplog):
    import sys
    import types

    module = types.ModuleType("tests_errors")
    module.ERRORS = ERRORS  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_errors", module)
    driver = AppTest.from_function(_page)
    driver.query_params["kind"] = kind
    with caplog.at_level(logging.WARNING):
        driver.run(timeout=60)
    assert not driver.exception and len(driver.error) == 1
    told = driver.error[0].value
    assert "\n" not in told and "allow_pickle" not in told and "![" not in told
    assert driver.markdown[0].value == "the rest"
    assert not any(record.exc_info for record in caplog.records)
    monkeypatch.setenv(DEBUG, "1")
    with caplog.at_level(logging.WARNING):
        driver.run(timeout=60)
    assert any(record.exc_info for record in caplog.records)


def test_a_route_answers_with_the_sentence():
    def serve(request):
        name = request.path_params["name"]
        raise VibesError("There is no such thing.") if name == "vibes" else ERRORS[name]

    client = TestClient(Starlette(routes=[Route("/{name}", answering(serve))]))
    assert (client.get("/vibes").status_code, client.get("/vibes").text) == (404, "There is no such thing.")
    answer = client.get("/full")
    assert answer.status_code == 500 and answer.text.startswith("The disk is full while writing run/model")


@pytest.mark.parametrize(
    "number, status", [("12", 200), ("0", 200), ("9" * 10, 404), ("9" * 5000, 404), ("-1", 404)]
)
def test_numbers_in_addresses_are_short(number, status):
    def serve(request):
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(str(request.path_params["at"]))

    client = TestClient(Starlette(routes=[Route(f"/{{at:{listing_vibes_app.server.pages.NUMBER}}}", serve)]))
    assert client.get(f"/{number}").status_code == status
