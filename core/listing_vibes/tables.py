"""Rendering of tables as text, and formatting of estimates; notebooks use pandas' rendering."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Maximum width of a table in characters; headings and cells of wider tables are wrapped.
WIDTH = 160


def render_table(frame: pd.DataFrame) -> str:
    """Return a frame as text with aligned columns; numbers, and texts that begin with a number, are right-aligned."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_edge=False)
    texts = frame.map(_cell).to_numpy(object) if len(frame) else frame.to_numpy(object)
    for place, name in enumerate(frame.columns):
        is_right = bool(len(texts)) and all(text[:1] in "0123456789.-+<" for text in texts[:, place])
        table.add_column(Text(str(name)), justify="right" if is_right else "left", overflow="fold")
    for row in texts:
        table.add_row(*map(Text, row))
    out = StringIO()
    Console(file=out, width=WIDTH, color_system=None, emoji=False, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _cell(value: Any) -> str:
    return "-" if value is None or value != value else str(value)


def write_interval(estimate: Mapping[str, Any], signed: bool = False) -> str:
    """Return the 95 % interval of an estimate, `low` to `high`; "one user" if there is none."""
    low, high = estimate["low"], estimate["high"]
    if low is None or low != low:
        return "one user"
    return f"{low:+.3f} to {high:+.3f}" if signed else f"{low:.3f}-{high:.3f}".replace("0.", ".")


def write_p(value: float | None) -> str:
    """Return a p-value in the usual format, such as `.031` or `< .001`."""
    if value is None:
        return "-"
    return "< .001" if value < 0.001 else f"{value:.3f}".replace("0.", ".", 1)


def write_difference(estimate: Mapping[str, Any]) -> str:
    """Return a paired difference with its 95 % interval and its corrected p-value."""
    return (
        f"{estimate['value']:+.3f} ({write_interval(estimate, signed=True)}) p {write_p(estimate['p_holm'])}"
    )
