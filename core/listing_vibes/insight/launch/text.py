"""A launch as lines that a person reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import printable
from listing_vibes.insight.launch.launch import Launch
from listing_vibes.market.market import Market
from listing_vibes.run.describe import described, table
from listing_vibes.run.run import Run
from listing_vibes.tables import render_table
from listing_vibes.words import count

MOST = 8  # attributes told
CAUTION = (
    "What goes with what in the model, one change at a time; it does not say that users came because of it."
)


def launch_text(run: Run, found: Launch) -> str:
    """Audience, competitors, and what gains most."""
    share = len(found.audience) / max(found.users, 1)
    place = "" if found.median_rank is None else f"; its middle place with them is {found.median_rank:g}"
    lines = [
        f"Among the first {found.k} of {len(found.audience):,} of {count(found.users, 'user')} ({share:.1%}){place}.",
        "",
        "The live listings nearest to it:",
        table(described(run, found.competitors)),
    ]
    if found.changes is not None and len(found.changes):
        best = found.changes.drop_duplicates("attribute").head(MOST)
        lines += [
            "",
            "One change at a time, the best of each attribute:",
            _changes(run.market, best),
            CAUTION,
        ]
    if found.covers is not None:
        covers = found.covers.assign(photo=found.covers["photo"] + 1)
        lines += ["", "Each photo as the cover:", _with_interval(covers, ["photo"])]
    return "\n".join(lines)


def _changes(market: Market, changes: pd.DataFrame) -> str:
    labels = {item.name: item.label for item in market.attributes}
    said = changes.assign(
        attribute=changes["attribute"].map(lambda name: labels.get(name, name)),
        before=changes["before"].map(told),
        after=changes["after"].map(told),
    )
    return _with_interval(said, ["attribute", "before", "after"])


def _with_interval(frame: pd.DataFrame, columns: list[str]) -> str:
    between = [
        f"{gain:+,} ({low:+,} to {high:+,})"
        for gain, low, high in zip(frame["gain"], frame["low"], frame["high"], strict=True)
    ]
    shown = frame[[*columns, "audience"]].assign(gain=between)
    return render_table(shown)


def told(value: Any) -> str:
    """A value as people read it."""
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, list):
        return printable(", ".join(map(str, value))) or "none"
    return f"{value:,.10g}" if isinstance(value, int | float | np.number) else printable(str(value))
