"""`vibes report`: one self-contained HTML page for stakeholders: results, curves, photos, the method, its limits.

Python provides the content, `templates/` the layout: `page.html` is the document, `figures.html` the drawings. It has no scripts
and loads nothing from the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from listing_vibes.errors import printable
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.report.looks import photo_grids, vibe_map
from listing_vibes.report.measured import ablation, quality, slices_of, training
from listing_vibes.report.pins import Pin, RunOf, pinned_views
from listing_vibes.report.text import (
    SPACES,
    USED_UP,
    bounds,
    describe_cold,
    describe_limits,
    describe_method,
)
from listing_vibes.words import percent

if TYPE_CHECKING:
    from listing_vibes.run.run import Run


def write_report(run: Run, out: Path, pins: Sequence[Pin] = ()) -> None:
    """Write the report of `run`, with pinned views of the explorer, to the file `out`.

    Raises:
        VibesError: the market does not exist any more, a file of the run is damaged, or `out` cannot be written.
    """
    write_text(out, report_html(run, pins))


def report_html(run: Run, pins: Sequence[Pin] = (), run_of: RunOf | None = None) -> str:
    """Return the report as one self-contained document; it is deterministic for a run.

    Args:
        pins: views that were pinned in the explorer, each a section.
        run_of: opens the run of a pin by its name, if there are several runs.
    """
    metrics = run.metrics or {}
    context = {
        "head": _head(run),
        "pins": pinned_views(
            pins, run_of or (lambda name: run if name in (None, run.path.resolve().name) else None)
        ),
        "quality": _quality(run),
        "slices": slices_of(metrics) if metrics.get("results") else None,
        "cold": describe_cold(run),
        "training": training(run),
        "ablation": ablation(run),
        "map": vibe_map(run),
        "photos": photo_grids(run),
        "method": describe_method(run.manifest.settings if run.has_model else None, metrics),
        "limits": describe_limits(run),
    }
    return environment().get_template("page.html").render(context)


def environment() -> Environment:
    """Return the template environment: all values are escaped, control characters are shown, and an unknown name is an error."""
    environment = Environment(
        loader=PackageLoader("listing_vibes.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda shown: (
            printable(shown) if isinstance(shown, str) and not hasattr(shown, "__html__") else shown
        ),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(share=percent, bounds=bounds, thousands="{:,}".format)
    return environment


def _head(run: Run) -> dict[str, Any]:
    market, settings = run.market, run.manifest.settings
    when = None
    if len(market.events) and market.timed:
        times = market.events[C.TIMESTAMP]
        when = [f"{end.day} {end:%b %Y}" for end in (times.min(), times.max())]
    created = (
        f"Preset {settings.preset}, seed {settings.seed}." if run.has_model else "Without a trained model."
    )
    if run.has_model and run.transferred:
        created += " The model was trained on another market and is used here as it is."
    return {
        "market": market.name,
        "made": created,
        "when": when,
        "spaces": [SPACES.get(name, name) for name in run.spaces],
        "note": market.config.note,
        "changed": run.market_changed,
        "counts": {
            "listings": len(market.listings),
            "photos": len(market.photos),
            "users": market.events[C.USER].nunique() if len(market.events) else 0,
            "events": len(market.events),
        },
    }


def _quality(run: Run) -> dict[str, Any] | str:
    """Return the results, or the reason why there are none."""
    metrics = run.metrics
    if metrics and metrics.get("results"):
        return quality(metrics) or "There was no query to test on."
    if run.trained_on_everything:
        return USED_UP
    if not len(run.market.events):
        return "This run was not measured: its market has no events to test lists on. Similar listings need none."
    why = "it has not been evaluated" if run.has_model else "it has no trained model"
    return f"This run was not measured: {why}."
