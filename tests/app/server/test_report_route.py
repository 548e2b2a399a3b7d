"""The route of reports with pinned views: what it refuses, and what it answers with."""

import json
import sys

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from listing_vibes import Run
from listing_vibes.report.page import report_html
from listing_vibes.report.pins import Pin
from listing_vibes_app.server.report_route import LARGEST, routes

PINS = [{"title": "Mine", "url": "/similar?listing=l03&k=2", "note": "Look"}]


@pytest.mark.slow
def test_only_json_of_pinned_views_that_is_not_too_long_makes_a_report_of_a_run_that_was_given(
    eventless, monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["main.py", str(eventless)])
    client, name = TestClient(Starlette(routes=routes())), eventless.name

    def ask(
        content: bytes, kind: str = "application/json; charset=utf-8", run: str = name
    ) -> tuple[int, str]:
        answer = client.post(f"/report/{run}", content=content, headers={"content-type": kind})
        return answer.status_code, answer.text

    pinned = json.dumps(PINS).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert ask(pinned, kind)[0] == 415  # what a page of another site can send unasked
    assert ask(pinned + b" " * (LARGEST - len(pinned)))[0] == 200
    assert ask(pinned + b" " * (LARGEST - len(pinned) + 1))[0] == 413
    assert ask(pinned, run="other")[0] == 404
    status, told = ask(b'{"url": 1}')
    assert status == 400 and "What the browser sent holds no pinned views" in told
    assert ask(pinned) == (
        200,
        report_html(Run.open(eventless), [Pin(title="Mine", url=PINS[0]["url"], note="Look")]),
    )
