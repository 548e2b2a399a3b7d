"""What serving adds to a run's model, as validation fitted it: kept in `serving.json`, read back by whoever serves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from core.errors import VibesError
from core.market.io import atomic_path
from core.market.log import EventLog
from core.run.run import Run
from core.run.scorer import model_scorer
from core.scoring.baselines import RecentPopularity, VectorNeighbours
from core.scoring.baselines.named import NEIGHBOURS
from core.scoring.baselines.text_space import text_vectors
from core.scoring.blends import Blend, RecencyPrior, Remembered
from core.scoring.ranking import Scorer, top

FILE = "serving.json"
SPACES = {label: space for space, label in NEIGHBOURS.items()}


class Fit(BaseModel):
    """One row of what serving adds: `model + share x neighbours + weight x log(1 + recent events)`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str  # of the row
    space: str | None = None  # whose neighbours; None: of none
    decay: float = 1.0  # weight of a listing of the history against the one touched after it
    share: float = 0.0
    days: int | None = None  # that count as recent
    events: int | None = None  # of each user that do, where there are no timestamps
    weight: float = 0.0

    @property
    def added(self) -> str:
        """What the row adds, as `recommend_with` takes it: "recency", "neighbours" or "neighbours+recency"."""
        return "+".join(self.name.split(" + ")[1:])

    def scorer(self, model: Scorer, run: Run, log: EventLog, train: np.ndarray) -> Scorer:
        """The row over `model`, for queries on `log`; recent is what is so among the market's events, of which `train`
        (N,) are known where there are no timestamps."""
        found: Scorer = model
        if self.space is not None:
            near = VectorNeighbours.of(
                _vectors(run, self.space, train), log, self.decay, NEIGHBOURS[self.space]
            )
            found = Blend(found, near, self.share, self.name)
        if self.days is not None:
            recent = RecentPopularity.over_days(run.log, self.days)
            found = RecencyPrior(found, recent, self.weight, self.name)
        elif self.events is not None:
            recent = RecentPopularity.over_events(run.log, train, self.events)
            found = RecencyPrior(found, recent, self.weight, self.name)
        return found


def fit_of(scorer: Scorer) -> Fit | None:
    """How a scorer of `with_serving` was fitted; None of one that adds nothing, or an id model."""
    if not isinstance(scorer, RecencyPrior | Blend):
        return None
    fit, inner = Fit(name=scorer.name), scorer.scorer if isinstance(scorer, RecencyPrior) else scorer
    if isinstance(scorer, RecencyPrior):
        recent = {"days": scorer.recent.days, "events": scorer.recent.events, "weight": scorer.weight}
        fit = fit.model_copy(update=recent)
    if isinstance(inner, Blend):
        other = inner.other.scorer if isinstance(inner.other, Remembered) else inner.other
        if not isinstance(other, VectorNeighbours):
            return None
        fit = fit.model_copy(
            update={"space": SPACES[other.name], "decay": other.decay, "share": inner.weight}
        )
    return fit


def telling(fits: Sequence[Fit]) -> list[Fit]:
    """Those that order listings otherwise than the model and than the ones before them."""
    found: dict[tuple[object, ...], Fit] = {}
    for fit in fits:
        near = (fit.space, fit.decay, fit.share) if fit.share else ()
        recent = (fit.days, fit.events, fit.weight) if fit.weight else ()
        if near or recent:
            found.setdefault((near, recent), fit)
    return list(found.values())


def save_fits(run: Path, fits: Sequence[Fit]) -> None:
    """Write `serving.json` into a run folder."""
    with atomic_path(run / FILE) as temporary:
        temporary.write_text(json.dumps([fit.model_dump() for fit in fits], indent=1), encoding="utf-8")


def load_fits(run: Path) -> list[Fit]:
    """What `vibes evaluate` fitted for a run, nothing where it fitted nothing.

    Raises:
        VibesError: the file is damaged.
    """
    try:
        return TypeAdapter(list[Fit]).validate_json((run / FILE).read_bytes())
    except FileNotFoundError:
        return []
    except ValidationError as error:
        raise VibesError(f"{run / FILE} is damaged; evaluate the run again.") from error


def carry_fits(measured: Path, run: Path) -> None:
    """Let a refit of the run `measured` serve as that was fitted to."""
    if (measured / FILE).is_file():
        with atomic_path(run / FILE) as temporary:
            shutil.copyfile(measured / FILE, temporary)


def fitted(run: Path, added: str) -> Fit:
    """How the row of a run that adds "recency", "neighbours" or "neighbours+recency" was fitted.

    Raises:
        VibesError: nothing of that name, or nothing fitted yet.
    """
    fits = {fit.added: fit for fit in load_fits(run)}
    if added in fits:
        return fits[added]
    if fits:
        raise VibesError(f"Option --with is '{added}'; {run} has {', '.join(fits)}.")
    raise VibesError(
        f"{run} does not say how to weigh anything beside the model; `vibes evaluate` fits that (of a refit, do it "
        "before, with the run that it repeats)."
    )


def recommend_with(
    run: Run, added: str, user: str | pd.DataFrame, k: int = 30, at: pd.Timestamp | int | None = None
) -> pd.DataFrame:
    """`Run.recommend` by the model and what is `added`: "recency", "neighbours" or "neighbours+recency", as fitted.

    The score is no cosine, it tells nothing but the order.

    Raises:
        VibesError: nothing of that name, nothing fitted yet, or what `Run.recommend` refuses.
    """
    fit = fitted(run.path, added)
    log, query = run.query(user, at)
    scorer = fit.scorer(model_scorer(run, log), run, log, np.ones(len(run.log), bool))
    scores = scorer.score(query)  # (1, L)
    rows = np.flatnonzero(top(scores, run.catalogue.candidates(log, query), k)[0])
    rows = rows[np.argsort(-scores[0, rows], kind="stable")]
    return run.frame(rows, scores[0, rows])


def _vectors(run: Run, space: str, train: np.ndarray) -> np.ndarray:
    """(L, d) the vectors that neighbours are told by.

    Raises:
        VibesError: the run has no such space any more.
    """
    if space in run.spaces:
        return run.vectors(space)
    vectors = text_vectors(run.market, run.log.counts(train) > 0) if space == "text" else None
    if vectors is None:
        raise VibesError(
            f"{run.path} has no {space} to find neighbours by; evaluate it again, which fits what there is."
        )
    return vectors
