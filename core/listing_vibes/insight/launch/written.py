"""A simulated launch as Python code and as a command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from listing_vibes.insight.launch.drafts import Draft
from listing_vibes.market.market import Market

FILE = "listing.json"


@dataclass(frozen=True)
class LaunchCall:
    """The call for a draft: its values and the listing it is based on, as JSON.

    Uploaded photos are not part of it, since they are files of the user.
    """

    document: Mapping[str, Any]
    label: str = ""

    @classmethod
    def of(
        cls, market: Market, cells: Mapping[str, Any], like: str | None, photos: bool, cover: int = 1
    ) -> LaunchCall:
        """Of values by attribute, and the listing that they began with; `photos`: with its photos,
        of which `cover` (from 1) comes first.
        """
        if like is None:
            return cls(dict(cells))
        started = Draft.of_listing(market, like).cells
        gone = dict.fromkeys(name for name in started if name not in cells)
        changed = {
            name: value for name, value in cells.items() if name not in started or started[name] != value
        }
        shown: dict[str, Any] = {} if photos else {"photos": []}
        return cls(
            {"like": like, **changed, **gone, **shown, **({"cover": cover} if photos and cover > 1 else {})}
        )

    def python(self, run: str) -> str:
        """Return Python code that assigns the same result to `found`; `run` is the run's folder."""
        content = pformat(dict(self.document), width=90, sort_dicts=False)
        return (
            f"from listing_vibes import Run, launch\n\nrun = Run.open({json.dumps(run, ensure_ascii=False)})\n"
            f"found = launch(run, {content})"
        )

    def command(self, run: str) -> str:
        """Return shell commands that print the same result."""
        text = json.dumps(dict(self.document), ensure_ascii=False, indent=1)
        return f"cat > {FILE} <<'END'\n{text}\nEND\n" + shlex.join(["vibes", "launch", run, FILE])
