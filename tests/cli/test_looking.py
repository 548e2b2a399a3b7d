"""Each option of a command that looks at a run reaches the function that the command calls."""

import importlib
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers.commands import rules_file
from listing_vibes.cli import app
from listing_vibes.run.rules import Rules

AT = ("--at", "2025-02-20T12:00")
MOMENT = pd.Timestamp("2025-02-20T12:00", tz="UTC").value
RULES = Rules(k=3, live_only=True, where=("price<=900", "rooms=2"))
SEARCH = "listing_vibes.insight.photo_search:search_photos"


class Called(Exception):
    """A call, raised instead of a result."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "function", "arguments", "named"),
    [
        (
            ["similar", "--text", "a bed", "-k", "3", "--where", "price<=900", "--where", "rooms=2", *AT],
            SEARCH, ("a bed", None, MOMENT, RULES), {},
        ),
        (["similar", "--photo", "a.jpg"], SEARCH, ("", None, None), {"photo": Path("a.jpg")}),
        (
            ["explain", "user-0001", "home-0003", *AT, "--blend", "recency"],
            "listing_vibes.insight.explain:explain_listing", ("user-0001", "home-0003", MOMENT, "recency"), {},
        ),
        (["demand", *AT], "listing_vibes.insight.demand:demand", (MOMENT,), {}),
        (["launch", "home-0003"], "listing_vibes.insight.launch:launch", ("home-0003",), {}),
    ],
    ids=["text", "photo", "explain", "demand", "launch"],
)  # fmt: skip
def test_every_option_reaches_its_function(trained, tmp_path, monkeypatch, words, function, arguments, named):
    def call(run, *given, **more):
        raise Called(run, given, more)

    module, name = function.split(":")
    monkeypatch.setattr(importlib.import_module(module), name, call)
    command, *rest = words
    rules = rules_file(tmp_path, live_only=True) if command == "similar" and "--text" in rest else []
    error = CliRunner().invoke(app, [command, str(trained.path), *rest, *rules]).exception
    assert isinstance(error, Called), error
    run, given, more = error.args
    assert run.path == trained.path and given[: len(arguments)] == arguments
    assert {key: more[key] for key in named} == named
