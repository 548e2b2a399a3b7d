"""`vibes report`: one self-contained HTML for people who decide: figures, curves, photos, the method, its limits."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.insight.map.cluster_names import portraits
from core.insight.map.region import SIZE, grid_places
from core.insight.map.vibe_map import read_map
from core.market.columns import Columns as C
from core.market.io import atomic_path
from core.report.figures import map_figure, photo_data, photo_grid
from core.report.measured import ablation, quality, slices_of, training
from core.report.text import LIMITS, METHOD, SPACES, USED_UP
from core.serving.cost.measure import Constants
from core.serving.cost.table import cost_section

if TYPE_CHECKING:
    from core.run.run import Run

EXAMPLES, NEIGHBOURS = 3, 5
DOTS = 4000  # of the map
SEED = 0


def write_report(run: Run, out: Path) -> None:
    """Write the report of `run` to the file `out`.

    Raises:
        VibesError: the market is gone, a file of the run is damaged, or `out` cannot be written.
    """
    content = report_html(run)
    with atomic_path(out) as temporary:
        temporary.write_text(content, encoding="utf-8")


def report_html(run: Run) -> str:
    """The report as one document that needs nothing else; the same run gives the same document."""
    title = f"{run.market.name}: recommendations report"
    style = files("core.report").joinpath("report.css").read_text(encoding="utf-8")
    body = "".join(_sections(run))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _sections(run: Run) -> Iterator[str]:
    yield _head(run)
    metrics = run.metrics
    if metrics and metrics.get("results"):
        yield quality(metrics)
        yield slices_of(metrics)
    else:
        why = "it has not been evaluated" if run.has_model else "it has no trained model"
        told = USED_UP if run.trained_on_everything else f"This run was not measured: {why}."
        yield f"<h2>How good are the recommendations?</h2><p>{told}</p>"
    yield training(run)
    yield ablation(run)
    yield _map(run)
    yield _photos(run)
    if run.has_model:
        yield cost_section(Constants.load(run.path), run.path.name)
    yield "<h2>How it works</h2>" + "".join(f"<p>{escape(line)}</p>" for line in METHOD)
    yield _limits(run)


def _head(run: Run) -> str:
    market = run.market
    users = market.events[C.USER].nunique() if len(market.events) else 0
    counts = (
        ("listings", len(market.listings)),
        ("photos", len(market.photos)),
        ("users", users),
        ("events", len(market.events)),
    )
    items = "".join(f"<li><b>{number:,}</b>{word}</li>" for word, number in counts)
    note = f'<p class="note">{escape(market.config.note)}</p>' if market.config.note else ""
    changed = (
        '<p class="note">The market changed since this run was made; figures and listings may not fit it any more.</p>'
        if run.market_changed
        else ""
    )
    when = ""
    if len(market.events) and market.timed:
        first, last = market.events[C.TIMESTAMP].min(), market.events[C.TIMESTAMP].max()
        when = f" Events from {first.day} {first:%b %Y} to {last.day} {last:%b %Y}."
    settings = run.manifest.settings
    made = f"Preset {settings.preset}, seed {settings.seed}." if run.has_model else "Without a trained model."
    spaces = ", ".join(SPACES[name] for name in run.spaces)
    return (
        f"<h1>{escape(market.name)}</h1><p class=soft>What is alike, and what to recommend: a report of Listing Vibes. "
        f"{made}{when} Listings are compared by {escape(spaces)}.</p>{note}{changed}<ul class=counts>{items}</ul>"
    )


def _map(run: Run) -> str:
    frame = read_map(run)
    if frame is None:
        return ""
    space = next((name for name in ("photos", "model", "attributes") if name in set(frame["space"])), None)
    mine = frame[frame["space"] == space]
    mine = mine[mine[C.LISTING].isin(run.market.listing_row)]
    if not len(mine):
        return ""
    cluster = mine["cluster"].to_numpy(int)
    rows = mine[C.LISTING].map(run.market.listing_row).to_numpy(int)
    groups = [
        (one.name, int((cluster == number).sum()))
        for number, one in enumerate(portraits(run.market, rows, cluster))
    ]
    chosen = np.arange(len(mine))
    if len(mine) > DOTS:
        chosen = np.sort(np.random.default_rng(SEED).choice(len(mine), DOTS, replace=False))
    places = grid_places(mine[["x", "y"]].to_numpy()).astype(int) * 1000 // SIZE
    caption = f"{len(mine):,} listings by {SPACES[str(space)]}; what is alike lies near to one another."
    return f"<h2>The vibe map</h2>{map_figure(places[chosen], cluster[chosen], groups, caption)}"


def _photos(run: Run) -> str:
    """A few listings, each with its nearest neighbours by photos."""
    market = run.market
    if "photos" not in run.spaces or not market.cover:
        return ""
    known = [
        name
        for row, name in enumerate(run.listing_ids)
        if run.index("photos").known[row] and name in market.cover
    ]
    if len(known) <= NEIGHBOURS:
        return ""
    asked = np.random.default_rng(SEED).choice(len(known), min(EXAMPLES, len(known)), replace=False)
    parts = []
    for number in asked:
        listing = known[number]
        found = run.similar(listing, k=NEIGHBOURS, space="photos")
        near = [
            (name, f"similarity {score:.2f}")
            for name, score in zip(found[C.LISTING], found["score"], strict=True)
        ]
        items = []
        for name, line in [(listing, "the listing"), *near]:
            cover = market.cover.get(name)
            title = _title(run, name)
            items.append((photo_data(market, cover) if cover else None, title, f"{title}, {line}"))
        parts.append(photo_grid(items))
    return (
        "<h2>Listings with the same vibe</h2><p>Drawn by chance: the framed listing, and those whose photos are most alike.</p>"
        + "".join(parts)
    )


def _title(run: Run, listing: str) -> str:
    market, row = run.market, run.market.listing_row.get(listing)
    column = market.config.title
    if row is not None and column in market.listings.columns:
        text = market.listings[column].iat[row]
        if isinstance(text, str) and text.strip():
            return text if len(text) <= 60 else text[:59].rstrip() + "…"
    return f"Listing no. {row + 1:,}" if row is not None else "Listing"


def _limits(run: Run) -> str:
    market = run.market
    lines = list(LIMITS)
    if run.metrics and run.metrics.get("protocol") == "leave-one-out":
        lines.append(
            "The test foretells each user's last event from those before, so it says nothing about the weeks to come."
        )
    if not len(market.photos):
        lines.append("This market has no photos, so nothing here is about how listings look.")
    if not len(market.events):
        lines.append("This market has no events, so nothing here is about what people touched.")
    if market.config.excluded:
        number = len(market.config.excluded)
        lines.append(
            f"{number} {'column was' if number == 1 else 'columns were'} kept from the model because they tell the future or the answer."
        )
    return (
        "<h2>What to keep in mind</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
    )
