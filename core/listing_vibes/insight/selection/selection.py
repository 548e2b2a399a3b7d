"""The definition of a list, with its rows and the equivalent Python code."""

import json
from dataclasses import dataclass, field
from pprint import pformat
from textwrap import indent
from typing import Any, Literal

import pandas as pd

from listing_vibes.insight.photo_search import search_photos
from listing_vibes.insight.selection.histories import as_rows
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run

Kind = Literal["similar", "recommend", "search"]
FILE = "history.json"
WIDTH = 96  # line length of Python code


@dataclass(frozen=True)
class Selection:
    """The definition of a list."""

    kind: Kind  # its function: `Run.similar`, `Run.recommend` or `listing_vibes.search_photos`
    query: str  # the listing, the user, or the words; empty if there is a `history`
    k: int  # number of listings
    label: str = ""  # label of the list on its page
    space: str | None = None  # the space of similar listings
    at: str | int | None = None  # UTC, or a position where events have no times; None: after the last event
    history: tuple[Event, ...] = ()
    rules: Rules = field(default_factory=Rules)
    blend: str | None = None  # see `Run.recommend`

    def frame(self, run: Run) -> pd.DataFrame:
        """Return the rows, best first: `listing_id, score` and more, the result of the call in `python`."""
        name, query, options = self._call()
        if name == "search":
            return search_photos(run, query, **options)
        result: pd.DataFrame = getattr(run, name)(query, **options)
        return result

    def table(self, run: Run) -> pd.DataFrame:
        """Return the rows with all attributes of their listings, for a file.

        Raises:
            VibesError: see `frame`.
        """
        result, market = self.frame(run), run.market
        listings = market.listings.set_index(C.LISTING).reindex(result[C.LISTING]).reset_index(drop=True)
        more = [name for name in listings if name not in result and name != market.title]
        return pd.concat([result.reset_index(drop=True), listings[more]], axis=1)

    def python(self, run: str) -> str:
        """Return Python code that assigns these rows to `result`; `run` is the run's folder."""
        name, query, options = self._call()
        arguments = [_literal(query), *(f"{key}={_literal(value)}" for key, value in options.items())]
        names, call = "Run", f"run.{name}"
        if name == "search":
            names, call, arguments = "Run, search_photos", "search_photos", ["run", *arguments]
        line = f"result = {call}({', '.join(arguments)})"
        if len(line) > WIDTH or "\n" in line:
            lines = "".join(f"{argument},\n" for argument in arguments)
            line = f"result = {call}(\n{indent(lines, '    ')})"
        return f"from listing_vibes import {names}\n\nrun = Run.open({json.dumps(run, ensure_ascii=False)})\n{line}"

    def _call(self) -> tuple[str, Any, dict[str, Any]]:
        """Return the name of the call, its query, and its options."""
        request: Any = as_rows(self.history) if self.history else self.query
        options: dict[str, Any] = {"k": self.k}
        if self.space:
            options["space"] = self.space
        if self.at is not None:
            options["at"] = self.at
        if rules := written(self.rules):
            options["rules"] = rules
        if self.blend:
            options["blend"] = self.blend
        return self.kind, request, options


def written(rules: Rules) -> dict[str, Any]:
    """Return the rules that differ from the defaults, except for the length of the list."""
    message = rules.model_dump(exclude_defaults=True, by_alias=True, exclude={"k"})
    return {name: list(value) if isinstance(value, tuple) else value for name, value in message.items()}


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return pformat(value, width=WIDTH - 8, sort_dicts=False)
