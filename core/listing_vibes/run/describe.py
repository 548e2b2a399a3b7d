"""A run in words, and found listings as a table that a person reads: title, the first attributes, the score."""

from __future__ import annotations

from typing import Any

import pandas as pd

from listing_vibes.errors import VibesError, printable
from listing_vibes.market.amounts import number, price, said_unit, years_of
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.titles import is_code
from listing_vibes.model.settings import Resolved
from listing_vibes.model.variants.user_encoders import USER_ENCODERS
from listing_vibes.run.fits import default_fit
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.market_state import MarketMismatch
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.tables import render_table
from listing_vibes.words import cut


def user_encoder_sentence(settings: Resolved) -> str:
    """How a trained run reads a history, "A history is read so: each listing alone ...", and what its lists add to that."""
    late = LateInteraction.of(settings.training).weight
    more = (
        f"; a listing's greatest cosine to one of the history is added with weight {late:g}" if late else ""
    )
    return f"A history is read so: {USER_ENCODERS[settings.history].sentence}{more}.{default_blend_sentence(settings)}"


def default_blend_sentence(settings: Resolved) -> str:
    """What every list of a run adds to its model, behind a space; empty where that is nothing."""
    fit = default_fit(settings)
    if fit is None:
        return ""
    added = []
    if fit.days:
        beside = ", beside which it was trained" if settings.training.recent_days else ""
        added.append(f"Lists add what was touched in the last {fit.days} days{beside}")
    if fit.space:
        whom = "one of the history" if fit.nearest else "the history"
        message = f"listings near {whom} by their attributes count"
        added.append(
            f"{message if added else message.capitalize()} {fit.share:g} times as much as what the model says"
        )
    return f" {'; '.join(added)}."


def untrained_sentence(run: RunFolder) -> str:
    """Return what recommends in a run without a model."""
    return f"{run.path} has no trained model: this list holds untrained neighbors of the history, by {run.spaces[0]}."


def describe_listings(run: RunFolder, found: pd.DataFrame, attributes: int = 4) -> pd.DataFrame:
    """`found` (listing_id, score) with a title, up to `attributes` readable columns, those of words before codes, and the price, where
    the market is at hand."""
    market = _market(run)
    if market is None:
        return found
    table = pd.DataFrame({"listing": [printable(str(listing)) for listing in found[C.LISTING]]})
    rows = [market.listing_row.get(listing, -1) for listing in found[C.LISTING]]
    title = market.title
    short = [a for a in market.attributes if type_of(a.kind).short and a.name != title]
    shown = sorted(short, key=lambda a: is_code(market.column(a.name)))[:attributes]  # codes last
    columns = ([("title", title)] if title is not None else []) + [(a.label, a.name) for a in shown]
    if (cost := price(market)) is not None:
        unit = said_unit(market, cost)
        columns = [column for column in columns if column[1] != cost.name]
        columns.append((f"{cost.label} ({unit})" if unit else cost.label, cost.name))
    for label, name in columns:
        values = market.column(name)
        grouped = name not in years_of(market)
        table[label] = [_short(values.iat[row], grouped) if row >= 0 else "" for row in rows]
    table["score"] = [f"{score:.3f}" for score in found["score"]]
    if "rule" in found:
        table["rule"] = found["rule"].tolist()
    return table


def with_titles(run: RunFolder, found: pd.DataFrame) -> pd.DataFrame:
    """`found` with a column `title` behind, where the market is at hand and names its listings; `attrs["market_changed"]` is True
    where it is no more as it was."""
    market = _market(run)
    if market is None:
        return found
    if run.market_changed:
        found.attrs["market_changed"] = True
    if market.title is None:
        return found
    titles = market.column(market.title)
    rows = [market.listing_row.get(listing, -1) for listing in found[C.LISTING]]
    return found.assign(title=[titles.iat[row] if row >= 0 else None for row in rows])


def _market(run: RunFolder) -> Market | None:
    """The run's market where it is at hand: a list of ids needs none.

    Raises:
        MarketMismatch: it no longer has the run's listings.
    """
    try:
        return run.market
    except MarketMismatch:
        raise
    except VibesError:
        return None


def _short(value: Any, grouped: bool) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, grouped=grouped)
    return cut(printable(str(value)), 48)  # as a table brings it: it must not move the cursor


def table(frame: pd.DataFrame) -> str:
    """The frame as text with aligned columns."""
    return render_table(frame) if len(frame) else "No listing found."
