"""What a command that looks at a run is told reaches the function that it calls, each option in its place."""

import importlib
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from listing_vibes.cli import app
from listing_vibes.run.rules import Rules

AT = ("--at", "2025-02-20T12:00")
MOMENT = pd.Timestamp("2025-02-20T12:00", tz="UTC").value
RULES = Rules(k=3, live_only=True, where=("price<=900", "rooms=2"), block=("home-0001", "home-0002"))


class Asked(Exception):
    """A call, instead of its answer."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "called", "told", "named"),
    [
        (
            ["search", "a bed", "-k", "3", "--rules", "{rules}", "--where", "price<=900", "--where", "rooms=2",
             "--exclude", "home-0001", "--exclude", "home-0002", *AT],
            "listing_vibes.insight.search.search:search_photos", ("a bed", None, MOMENT, RULES), {},
        ),
        (
            ["search", "--photo", "a.jpg"],
            "listing_vibes.insight.search.search:search_photos", ("", None, None), {"photo": Path("a.jpg")},
        ),
        (
            ["explain", "user-0001", "home-0003", *AT, "--blend", "recency"],
            "listing_vibes.insight.explain.explain:explain_listing", ("user-0001", "home-0003", MOMENT, "recency"), {},
        ),
        (
            ["demand", *AT, "--by", "month", "--space", "model"],
            "listing_vibes.insight.demand.demand:demand", (MOMENT, "month", "model"), {},
        ),
        (
            ["launch", "home-0003"],
            "listing_vibes.insight.launch.launch:launch", ("home-0003",), {},
        ),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)  # fmt: skip
def test_every_option_reaches_what_it_is_about(trained, tmp_path, monkeypatch, words, called, told, named):
    def asked(run, *given, **more):
        raise Asked(run, given, more)

    module, name = called.split(":")
    monkeypatch.setattr(importlib.import_module(module), name, asked)
    (tmp_path / "rules.toml").write_text("live_only = true\nwhere = ['price<=1']")  # which an option replaces
    command, *rest = [word.format(rules=tmp_path / "rules.toml") for word in words]
    error = CliRunner().invoke(app, [command, str(trained.path), *rest]).exception
    assert isinstance(error, Asked), error
    run, given, more = error.args
    assert run.path == trained.path and given[: len(told)] == told
    assert {key: more[key] for key in named} == named
