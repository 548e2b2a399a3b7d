"""What serving adds to a run's model, as validation fitted it: kept in `serving.json`, read back by whoever serves."""

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
#: What a list is asked for by that is to be of the bare model.
NOTHING = "nothing"
SPACES = {label: space for space, label in NEIGHBORS.items()}
#: What lists add without being asked where a market has fewer training events of users with two or more than `LITTLE`: how many
#: days count as recent, and how much attribute neighbors count beside the model, both standardised; then what one unit of
#: log(1 + recent events) weighs, in their deviations, and a listing of the history against the one touched after it. Few events
#: teach a model some of what makes listings alike; equal weights know the rest. `NEAR` and `STANDARD` lie where the validation of
#: two towns is flat; how they were chosen and what others find is in `assets/docs/research/2026-11-30-figures.md`. Markets on either side of
#: `LITTLE` have 22,000 events and fewer (towns and baskets, all better so) and 77,000 (the simulated one, where serving adds little by it).
LITTLE, RECENT, NEAR, STANDARD, DECAY = 32_768, RECENT_DAYS, 0.5, 1.2, 0.8


def count_repeated(by_user: np.ndarray) -> int:
    """How many events are of users with two or more, of the events `by_user` (U,): nothing is learned from the others, so by these
    a market is small (`LITTLE`)."""
    return int(by_user[by_user >= 2].sum())


class Fit(BaseModel):
    """One row of what serving adds: `model + share x neighbours + id_share x id model + weight x log(1 + recent events)`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str  # of the ranking
    space: str | None = None  # whose neighbours; None: of none
    decay: float = 1.0  # weight of a listing of the history against the one touched after it
    nearest: bool = False  # neighbours by the nearest listing of the history instead
    share: float = 0.0
    ids: str | None = None  # which id model; None: none
    id_settings: dict[str, float] = Field(default_factory=dict)
    id_share: float = 0.0
    days: int | None = Field(None, ge=1, le=100_000)  # that count as recent
    events: int | None = Field(None, ge=1, le=10**9)  # of each user that do, where there are no timestamps
    weight: float = 0.0

    @property
    def added(self) -> str:
        """What the row adds, in the words of `--blend`: "recency", "neighbors", "neighbors+recency", "ids"."""
        return blend_parts(self.name)

    @property
    def holds(self) -> str:
        """What it adds in those words, whatever the row is called."""
        parts = {"neighbors": self.space, "recency": self.days or self.events, "ids": self.ids}
        return "+".join(name for name, existing in parts.items() if existing)


def fixed_blend(
    training: ResolvedTraining, days: int, attributes: bool, nearest: bool = False, weighed: bool = False
) -> DefaultBlend:
    """Return what lists add where nothing weighs it (where validation is to be the one, `weighed`, what that starts from).

    That is the recency of `days`, as loud as in the loss, and with `attributes` attribute neighbors, both standardized.
    """
    if attributes:
        return DefaultBlend(days=days, weight=STANDARD, neighbors=NEAR, nearest=nearest, weighed=weighed)
    late = LateInteraction.of(training).weight  # as scores are served, not as in the loss
    return DefaultBlend(days=days, weight=training.temperature / (1 + late), weighed=weighed)


def default_fit(settings: Resolved) -> Fit | None:
    """What every list of a model adds without being asked: the recency that its loss added to the scores, and attribute
    neighbours, where there are few events; both to a model of other markets; else recency, neighbours or both, as validation
    weighed them. None: nothing.

    Of a run of before that was so, whose `recency_days` are to be asked for, it is none.
    """
    blend = settings.blend
    if blend is None:
        return None
    parts: dict[str, Any] = {"days": blend.days, "weight": blend.weight} if blend.weight else {}
    if blend.neighbors:
        decay = 1.0 if blend.nearest else DECAY
        parts |= {"space": "attributes", "decay": decay, "nearest": blend.nearest, "share": blend.neighbors}
    return Fit(name=DEFAULT_RANKING, **parts) if parts else None


def serving_fit(run: Path, settings: Resolved, beside: str | None) -> Fit | None:
    """What a list adds to the model of a run: `default_fit`, unless `beside` asks for another row, as `fitted` gives it, or for
    "nothing".

    Raises:
        VibesError: nothing of that name, or nothing fitted yet.
    """
    if beside is None:
        return default_fit(settings)
    return None if beside == NOTHING else fitted(run, beside)


def fit_of(scorer: Scorer) -> Fit | None:
    """Return the weights of a blend; None of a scorer that is none."""
    if not isinstance(scorer, Blend):
        return None
    weights: dict[str, Any] = {"name": scorer.name, "weight": scorer.weight}
    if scorer.recent is not None:
        weights |= {"days": scorer.recent.days, "events": scorer.recent.events}
    neighbors, ids = (
        getattr(item, "scorer", item) for item in (scorer.neighbors, scorer.ids)
    )  # of a `Remembered`
    if isinstance(neighbors, VectorNeighbors):
        weights |= {"space": SPACES[neighbors.name], "decay": neighbors.decay, "nearest": neighbors.nearest}
        weights["share"] = scorer.share
    if isinstance(ids, IdModel):
        weights |= {"ids": ids.name, "id_settings": ids.settings, "id_share": scorer.id_share}
    return Fit.model_validate(weights)


def distinct_fits(fits: Sequence[Fit]) -> list[Fit]:
    """Those that order listings otherwise than the model and than the ones before them."""
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
    """Return what `vibes evaluate` fitted for a run, nothing where it fitted nothing.

    Raises:
        VibesError: the file is damaged.
    """
    path = results_of(run) / FILE
    return read_json(path, "evaluate the run again", TypeAdapter(list[Fit]).validate_python) or []


def copy_fits(measured: Path, run: Path) -> None:
    """Let a refit of the run `measured` serve as that was fitted to."""
    if (results_of(measured) / FILE).is_file():
        copy_file(results_of(measured) / FILE, run / FILE)


def fitted(run: Path, beside: str) -> Fit:
    """How the row of a run that adds `beside` was fitted: "recency", "neighbors" or "ids", joined by + in any order.

    Raises:
        VibesError: nothing of that name, or nothing fitted yet.
    """
    fits = {frozenset(fit.added.split("+")): fit for fit in load_fits(run)}
    query = frozenset(part.strip() for part in beside.replace("neighbours", "neighbors").split("+"))
    if query in fits:
        return fits[query]
    if fits:
        raise VibesError(
            f"Option --blend is '{beside}'; {run} has {', '.join(fit.added for fit in fits.values())}."
        )
    raise VibesError(
        f"{run} does not say how to weigh anything beside the model, so --blend {beside} is not possible; `vibes evaluate` "
        "fits that (of a refit, do it before, with the run that it repeats)."
    )
