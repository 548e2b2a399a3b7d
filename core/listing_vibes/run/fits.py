"""The blends of a run: what serving adds to its model, as fitted on validation and stored in `serving.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from listing_vibes.defaults import RECENT_DAYS
from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import copy_file
from listing_vibes.model.settings import DefaultBlend, Resolved, ResolvedTraining
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.blend import Blend
from listing_vibes.scoring.interactions import IdModel
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, blend_parts

FILE = "serving.json"
#: The value of `--blend` for the model only.
NOTHING = "nothing"
SPACES = {label: space for space, label in NEIGHBORS.items()}
#: The default blend of a market with fewer than `SMALL_MARKET` training events of users with two or more: the window of recency in
#: days; the weight of attribute neighbors relative to the model, both standardized; the weight of log(1 + recent events) in standard
#: deviations; and the weight of a listing of the history relative to the next newer one. A model learns only part of the similarity of
#: listings from few events, and attribute neighbors add the rest. Validation recall in two towns is flat around `NEIGHBOR_WEIGHT` and
#: `RECENCY_WEIGHT`; `assets/docs/research/2026-11-30-figures.md` has the measurements. The blend raised recall in all markets of up to
#: 22,000 events (towns and baskets), and hardly in the one of 77,000 (the simulated market).
SMALL_MARKET, RECENT, NEIGHBOR_WEIGHT, RECENCY_WEIGHT, DECAY = 32_768, RECENT_DAYS, 0.5, 1.2, 0.8


def count_repeated(by_user: np.ndarray) -> int:
    """Return the number of events of users with two or more, given the events `by_user` (U,) of each user.

    A model learns nothing from other users, so this number decides whether a market is small (`SMALL_MARKET`).
    """
    return int(by_user[by_user >= 2].sum())


class Fit(BaseModel):
    """The weights of one blend: `model + share x neighbors + id_share x id model + weight x log(1 + recent events)`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str  # of the ranking
    space: str | None = None  # of the neighbors; None: no neighbors
    decay: float = 1.0  # weight of a listing of the history relative to the next newer one
    nearest: bool = False  # score by the nearest listing of the history, not the mean
    share: float = 0.0
    ids: str | None = None  # name of the id model; None: no id model
    id_settings: dict[str, float] = Field(default_factory=dict)
    id_share: float = 0.0
    days: int | None = Field(None, ge=1, le=100_000)  # window of recent events, where there are timestamps
    events: int | None = Field(
        None, ge=1, le=10**9
    )  # last events of each user that count as recent, without timestamps
    weight: float = 0.0

    @property
    def added(self) -> str:
        """Return the parts of the blend in the words of `--blend`, by its name: "recency", "neighbors", "neighbors+recency", "ids"."""
        return blend_parts(self.name)

    @property
    def parts(self) -> str:
        """Return the parts of the blend in the words of `--blend`, by its weights."""
        parts = {"neighbors": self.space, "recency": self.days or self.events, "ids": self.ids}
        return "+".join(name for name, existing in parts.items() if existing)


def fixed_blend(
    training: ResolvedTraining, days: int, attributes: bool, nearest: bool = False, weighed: bool = False
) -> DefaultBlend:
    """Return the default blend before any weights are fitted on validation.

    It has the recency of `days` with its weight in the loss or, with `attributes`, recency and attribute neighbors, both standardized.
    """
    if attributes:
        return DefaultBlend(
            days=days, weight=RECENCY_WEIGHT, neighbors=NEIGHBOR_WEIGHT, nearest=nearest, weighed=weighed
        )
    late = LateInteraction.of(training).weight  # The weight of served scores, not of the loss.
    return DefaultBlend(days=days, weight=training.temperature / (1 + late), weighed=weighed)


def default_fit(settings: Resolved) -> Fit | None:
    """Return the weights of the default blend in the settings of a run; None if lists use the model only."""
    blend = settings.blend
    if blend is None:
        return None
    parts: dict[str, Any] = {"days": blend.days, "weight": blend.weight} if blend.weight else {}
    if blend.neighbors:
        decay = 1.0 if blend.nearest else DECAY
        parts |= {"space": "attributes", "decay": decay, "nearest": blend.nearest, "share": blend.neighbors}
    return Fit(name=DEFAULT_RANKING, **parts) if parts else None


def serving_fit(run: Path, settings: Resolved, blend: str | None) -> Fit | None:
    """Return the weights of a requested blend: `default_fit` for None, no weights for "nothing", else those of `load_fit`.

    Raises:
        VibesError: the run has no such blend.
    """
    if blend is None:
        return default_fit(settings)
    return None if blend == NOTHING else load_fit(run, blend)


def fit_of(scorer: Scorer) -> Fit | None:
    """Return the weights of a scorer; None if it is not a blend."""
    if not isinstance(scorer, Blend):
        return None
    weights: dict[str, Any] = {"name": scorer.name, "weight": scorer.weight}
    if scorer.recent is not None:
        weights |= {"days": scorer.recent.days, "events": scorer.recent.events}
    neighbors, ids = (
        getattr(item, "scorer", item) for item in (scorer.neighbors, scorer.ids)
    )  # the scorer of a `CachedScorer`
    if isinstance(neighbors, VectorNeighbors):
        weights |= {"space": SPACES[neighbors.name], "decay": neighbors.decay, "nearest": neighbors.nearest}
        weights["share"] = scorer.share
    if isinstance(ids, IdModel):
        weights |= {"ids": ids.name, "id_settings": ids.settings, "id_share": scorer.id_share}
    return Fit.model_validate(weights)


def distinct_fits(fits: Sequence[Fit]) -> list[Fit]:
    """Return the fits whose ranking differs from the model's and from those of the fits before them."""
    result: dict[tuple[object, ...], Fit] = {}
    for fit in fits:
        neighbors = (fit.space, fit.decay, fit.nearest, fit.share) if fit.share else ()
        ids = (fit.ids, fit.id_share) if fit.id_share else ()
        recent = (fit.days, fit.events, fit.weight) if fit.weight else ()
        if neighbors or ids or recent:
            result.setdefault((neighbors, ids, recent), fit)
    return list(result.values())


def save_fits(run: Path, fits: Sequence[Fit]) -> None:
    """Write `serving.json` into a run folder."""
    write_json(run / FILE, [fit.model_dump() for fit in fits], indent=1)


def load_fits(run: Path) -> list[Fit]:
    """Return the blends that `vibes evaluate` fitted for a run; empty if there are none.

    Raises:
        VibesError: the file is damaged.
    """
    path = results_of(run) / FILE
    return read_json(path, "evaluate the run again", TypeAdapter(list[Fit]).validate_python) or []


def copy_fits(measured: Path, run: Path) -> None:
    """Copy the fitted blends of the run `measured` to a refit of it."""
    if (results_of(measured) / FILE).is_file():
        copy_file(results_of(measured) / FILE, run / FILE)


def load_fit(run: Path, blend: str) -> Fit:
    """Return the fitted weights of a blend: "recency", "neighbors" or "ids", joined by + in any order.

    Raises:
        VibesError: the run has no such blend.
    """
    fits = {frozenset(fit.added.split("+")): fit for fit in load_fits(run)}
    query = frozenset(part.strip() for part in blend.replace("neighbours", "neighbors").split("+"))
    if query in fits:
        return fits[query]
    if fits:
        raise VibesError(
            f"Option --blend is '{blend}'; {run} has {', '.join(fit.added for fit in fits.values())}."
        )
    raise VibesError(
        f"{run} has no fitted blends, so --blend {blend} is not possible; fit them with `vibes evaluate` (for a refit, evaluate "
        "the run that it repeats before)."
    )
