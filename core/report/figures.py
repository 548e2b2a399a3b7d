"""Pieces of the report: rows with an interval, curves, the map, photo grids and tables, all inline and without scripts.

Words are HTML and only the geometry is SVG, so that figures can be read on a phone as well as on paper.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from core.market.market import Market
from core.run.thumbs import thumbnail

PHOTO = 300  # pixels of the longer side
#: Colours of the map's groups, readable on light and dark ground.
GROUPS = ("#1f86c7", "#cf6a1e", "#1b9e77", "#a66bc4", "#9a7b12", "#d6478b", "#6f7d84")


@dataclass(frozen=True)
class Row:
    """One line of a figure with intervals; `kind` is a class of the style sheet."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = "other"
    note: str = ""


def share(value: float) -> str:
    """A share as a percentage with one decimal, as the explorer writes it."""
    return f"{100 * value:.1f}%"


def bounds(low: float | None, high: float | None) -> str:
    """An interval of shares; empty where there is none."""
    return "" if low is None or high is None else f"{share(low)} to {share(high)}"


def rows_figure(rows: Sequence[Row], caption: str) -> str:
    """A mark and its 95 % interval for each row, on one axis from 0."""
    top = max((row.high if row.high is not None else row.value for row in rows), default=0) or 1
    step = next(
        size for size in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0) if top / size <= 5 or size == 1.0
    )
    end = np.ceil(top / step - 1e-9) * step
    ticks = np.arange(0, end + step / 2, step)

    def at(value: float) -> str:
        return f"{100 * value / end:.2f}%"

    lines = "".join(f'<line x1="{at(t)}" x2="{at(t)}" y1="0" y2="24" stroke="var(--line)"/>' for t in ticks)
    parts = []
    for row in rows:
        bar = ""
        if row.low is not None and row.high is not None:
            bar = f'<line x1="{at(row.low)}" x2="{at(row.high)}" y1="12" y2="12" stroke="currentColor" stroke-width="2.5"/>'
        mark = (
            f'<rect x="{at(row.value)}" y="7" width="10" height="10" transform="translate(-5 0)" fill="currentColor"/>'
            if row.kind == "model"
            else f'<circle cx="{at(row.value)}" cy="12" r="5" fill="currentColor"/>'
        )
        told = share(row.value) + (
            f" <small>{bounds(row.low, row.high)}</small>" if row.low is not None else ""
        )
        note = f" <small>{escape(row.note)}</small>" if row.note else ""
        parts.append(
            f'<div class="label {row.kind}">{escape(row.label)}{note}</div>'
            f'<svg class="{row.kind}" aria-hidden="true">{lines}{bar}{mark}</svg>'
            f'<div class="told {row.kind}">{told}</div>'
        )
    numbers = "".join(
        f'<text x="{at(t)}" y="13" text-anchor="{"start" if t == 0 else "middle"}">{100 * t:.0f}%</text>'
        for t in ticks
    )
    axis = f'<div></div><svg class="axis" aria-hidden="true">{numbers}</svg><div></div>'
    return f'<figure><div class="rows">{"".join(parts)}{axis}</div><figcaption>{escape(caption)}</figcaption></figure>'


def curve_figure(steps: Sequence[float], values: Sequence[float], caption: str) -> str:
    """A line over the steps, from its lowest to its highest value."""
    x, y = np.asarray(steps, float), np.asarray(values, float)
    width = max(float(x.max() - x.min()), 1e-9)
    low, high = float(y.min()), float(y.max())
    points = " ".join(
        f"{100 * (a - x.min()) / width:.2f},{95 - 90 * (b - low) / max(high - low, 1e-9):.2f}"
        for a, b in zip(x, y, strict=True)
    )
    return (
        '<figure class="curve model"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(caption)}"><polyline points="{points}"/></svg><figcaption>{escape(caption)}</figcaption></figure>'
    )


def map_figure(
    places: np.ndarray, cluster: np.ndarray, groups: Sequence[tuple[str, int]], caption: str
) -> str:
    """Listings as dots; `places` (n, 2) on the grid 0..1000, `cluster` (n,), -1 for none; `groups` are name and size."""
    dots = []
    for number in [-1, *range(len(groups))]:
        mine = places[cluster == number]
        colour = "var(--line)" if number < 0 else GROUPS[min(number, len(GROUPS) - 1)]
        path = "".join(f"M{x} {1000 - y}h0" for x, y in mine)
        if path:
            dots.append(
                f'<path d="{path}" stroke="{colour}" stroke-width="9" stroke-linecap="round" fill="none"/>'
            )
    words = []
    for number in range(min(len(groups), len(GROUPS))):
        mine = places[cluster == number]
        if not len(mine):
            continue  # none of its listings is among those drawn
        x, y = np.median(mine, axis=0)
        words.append(
            f'<text x="{x:.0f}" y="{1000 - y:.0f}" text-anchor="middle" font-size="26" font-weight="650" fill="var(--ink)" '
            f'stroke="var(--panel)" stroke-width="6" paint-order="stroke">{number + 1}</text>'
        )
    legend = "".join(
        f'<li><span style="color:{GROUPS[number]}" aria-hidden="true">●</span> <b>{number + 1}</b> {escape(name)} '
        f"<small>{size:,} listings</small></li>"
        for number, (name, size) in enumerate(groups[: len(GROUPS)])
    )
    return (
        f'<figure class="map"><svg viewBox="-20 -20 1040 1040" role="img" aria-label="{escape(caption)}">'
        f"{''.join(dots)}{''.join(words)}</svg><ol style='list-style:none;padding:0'>{legend}</ol>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def photo_data(market: Market, path: str) -> str | None:
    """A small photo as a data address; None where it cannot be read."""
    small = thumbnail(market, path)
    if small is None:
        return None
    with Image.open(small) as image:
        image.thumbnail((PHOTO, PHOTO))
        stream = io.BytesIO()
        image.convert("RGB").save(stream, "WEBP", quality=72)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def photo_grid(items: Sequence[tuple[str | None, str, str]]) -> str:
    """Photos with a line each; items are (data address or None, what it shows, line beneath)."""
    cells = []
    for photo, alt, line in items:
        picture = f'<img src="{photo}" alt="{escape(alt)}">' if photo else "<span>No photo</span>"
        cells.append(f"<li>{picture}<span>{escape(line)}</span></li>")
    return f'<ul class="photos">{"".join(cells)}</ul>'


def table(columns: Sequence[str], lines: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table; columns in `numbers` stand to the right."""
    kind = [' class="number"' if at in numbers else "" for at in range(len(columns))]
    head = "".join(f"<th scope=col{kind[at]}>{escape(name)}</th>" for at, name in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f"<td{kind[at]}>{escape(cell)}</td>" for at, cell in enumerate(line)) + "</tr>"
        for line in lines
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
