"""Descriptions of a run in sentences, and of ranked listings as a table: title, the first attributes, the score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, printable
from listing_vibes.market.amounts import display_unit, number, price, years_of
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.titles import is_code
from listing_vibes.model.settings import Resolved
from listing_vibes.run.conditions import explain_unmet
from listing_vibes.run.rules import Rules
from listing_vibes.run.stored import MarketMismatch
from listing_vibes.words import cut

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

ATTRIBUTES = 4  # of a listing in a table


def default_blend_sentence(settings: Resolved) -> str:
    """Return what the default blend adds to the model, after a space; empty if nothing is added."""
    if settings.blend is None:
        return ""
    trained = ", with recent events also in training" if settings.training.recent_days else ""
    return f" Scores are a blend: {settings.blend.note}{trained}."


def list_sentence(run: Run, recommended: pd.DataFrame, blend: str | None = None) -> str:
    """Return how a list of recommendations was made with the requested `blend`; empty if by the model only."""
    if not len(recommended):
        return ""
    if "fallback" in recommended:
        return "There is no history, so these are popular and recent listings; give a history with --history FILE."
    blended = default_blend_sentence(run.manifest.settings)
    if not run.has_model:
        return f"{run.label} has no trained model: this list holds untrained neighbors of the history, by {run.spaces[0]}.{blended}"
    return f"{blended.strip()} Use --blend nothing for the model only." if blended and blend is None else ""


def explain_empty(run: Run, rules: Rules) -> str:
    """Return why a list by `rules` has no listing, and what to do."""
    if (sentence := explain_unmet(run.market, rules)) is not None:
        return f"No listing found: {sentence[0].lower()}{sentence[1:]}"
    return (
        "No listing found: none is active at that moment, allowed by the rules and not part of the request; choose another "
        "moment with --at, or remove a rule."
    )


def describe_listings(run: Run, ranked: pd.DataFrame) -> pd.DataFrame:
    """Return `ranked` (listing_id, score) with the title, a few short attributes, words before codes, and the price.

    Without the market's tables, `ranked` is returned unchanged.
    """
    market = _market(run)
    if market is None:
        return ranked
    table = pd.DataFrame({"listing": [printable(str(listing)) for listing in ranked[C.LISTING]]})
    rows = market.rows(ranked[C.LISTING])
    title = market.title
    short = [a for a in market.attributes if type_of(a.kind).short and a.name != title]
    short = sorted(short, key=lambda a: is_code(market.listings[a.name]))[:ATTRIBUTES]  # Codes come last.
    columns = ([("title", title)] if title is not None else []) + [(a.label, a.name) for a in short]
    if (cost := price(market)) is not None:
        unit = display_unit(market, cost)
        columns = [column for column in columns if column[1] != cost.name]
        columns.append((f"{cost.label} ({unit})" if unit else cost.label, cost.name))
    for label, name in columns:
        values, grouped = market.listings[name].iloc[rows], name not in years_of(market)
        table[label] = [cut(cell_text(value, grouped), 48) for value in values]
    table["score"] = [f"{score:.3f}" for score in ranked["score"]]
    if "rule" in ranked:
        table["rule"] = ranked["rule"].tolist()
    return table


def with_titles(run: Run, ranked: pd.DataFrame) -> pd.DataFrame:
    """Return `ranked` with a last column `title`, if the market is available and its listings have titles.

    `attrs["market_changed"]` is True if the market changed since the run was written.
    """
    market = _market(run)
    if market is None:
        return ranked
    if run.market_changed:
        ranked.attrs["market_changed"] = True
    if market.title is None:
        return ranked
    titles = market.listings[market.title].iloc[market.rows(ranked[C.LISTING])]
    return ranked.assign(title=titles.tolist())


def _market(run: Run) -> Market | None:
    """Return the run's market, or None if it is not available, since a list of ids does not need it.

    Raises:
        MarketMismatch: it no longer has the run's listings.
    """
    try:
        return run.market
    except MarketMismatch:
        raise
    except VibesError:
        return None


def cell_text(value: Any, grouped: bool = True) -> str:
    """Return a value of an attribute as text; `grouped=False` for years."""
    if isinstance(value, list):
        return ", ".join(printable(str(item)) for item in value) or "none"
    if value is None or value is pd.NA or value != value:
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        return number(float(value), grouped=grouped)
    return printable(str(value))  # It comes from users, so control characters must not reach the terminal.
