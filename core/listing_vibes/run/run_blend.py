"""A blend over a run: its features, prepared for lists."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.cache import Cache
from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.model.settings import BlendWeights
from listing_vibes.scoring.baselines import BASELINES
from listing_vibes.scoring.blend import COVISITS, Blend, Moment, moments_of
from listing_vibes.scoring.content_ease import ContentEase
from listing_vibes.scoring.interactions import IdModel, Interactions
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.tuning import DECAYS

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

#: Moments whose gains and masks are cached.
MOMENTS = 5


class RunBlend:
    """The blend of a run's model with the weights `fit`; each feature is computed on first use.

    Args:
        train: (N,) bool, the events that fit the id model, the whitening of texts and, without timestamps, recency; None for
            all wanted events, as in serving.
    """

    def __init__(self, run: Run, fit: BlendWeights, train: np.ndarray | None = None) -> None:
        self.run, self.fit, self._train = run, fit, train

    def scorer(self, model: Scorer | None, log: EventLog) -> Blend:
        """Return the blend with `model` (None: of a run without one), for queries on `log`."""
        scorers: dict[str, Scorer] = {}
        for name in self.fit.weights:
            if name == "model" and model is not None:
                scorers[name] = model
            elif name in NEIGHBORS:
                scorers[name] = self._neighbors[name].over(log)
            elif name == "ids":
                scorers[name] = self._ids.over(log)
            elif name == COVISITS:
                scorers[name] = self._covisits.over(log)
        return Blend(self.fit, scorers, self._moments)

    @cached_property
    def _moments(self) -> dict[str, Moment]:
        names = [name for name in ("recent", "age") if self.fit.weights.get(name)]
        if not names:
            return {}
        moments = moments_of(self.run.log, self._fitting_events, self.run.catalogue)
        return {name: _cached(moments[name]) for name in names if name in moments}

    @property
    def _fitting_events(self) -> np.ndarray:
        return self.run.log.is_positive if self._train is None else self._train

    @cached_property
    def _neighbors(self) -> dict[str, VectorNeighbors]:
        return {space: self._neighbors_by(space) for space in NEIGHBORS if space in self.fit.weights}

    def _neighbors_by(self, space: str) -> VectorNeighbors:
        run, name, vectors = self.run, NEIGHBORS[space], self._vectors(space)
        if space in run.spaces:
            return VectorNeighbors(run.log, vectors, run.index(space).known, DECAYS[0], name)
        return VectorNeighbors.of(vectors, run.log, name=name)

    def _vectors(self, space: str) -> np.ndarray:
        run, vectors = self.run, None
        if space in run.spaces:
            return run.vectors(space)
        if space == "text":
            from listing_vibes.scoring.text_space import (
                text_vectors,  # It loads pillow and more, for few runs.
            )

            vectors = text_vectors(run.market, run.log.counts(self._fitting_events) > 0)
        if vectors is None:
            raise VibesError(f"{run.label} has no {space} vectors; evaluate it again.")
        return vectors

    @cached_property
    def _covisits(self) -> ContentEase:
        run, settings = self.run, self.fit.covisits
        spaces = {space: self._vectors(space) for space in NEIGHBORS if settings.get(space)}
        return ContentEase.fit(spaces, run.log, self._fitting_events, run.catalogue, settings)

    @cached_property
    def _ids(self) -> IdModel:
        models = {item.name: item for item in BASELINES.values() if issubclass(item, IdModel)}
        if self.fit.ids not in models:
            raise VibesError(
                f"{self.run.label} was evaluated with the id model '{self.fit.ids}', which is unknown; evaluate it again."
            )
        interactions = Interactions.of(self.run.log, self._fitting_events)
        seed = self.run.manifest.settings.seed
        return models[self.fit.ids].again(interactions, self.fit.id_settings, seed)


def _cached(moment: Moment) -> Moment:
    """Return a feature that caches its values (1, L) for queries that are all at one moment, as those of lists are."""
    cache: Cache[int, np.ndarray] = Cache(MOMENTS)

    def values(at: np.ndarray) -> np.ndarray:
        if not len(at) or (at != at[0]).any():
            return moment(at)
        return cache.get(int(at[0]), lambda: moment(at[:1]))

    return values
