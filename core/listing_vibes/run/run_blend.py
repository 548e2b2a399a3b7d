"""A blend over a run: neighbors, an id model and recency, prepared for lists."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from listing_vibes.cache import Cache
from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.run.fits import Fit
from listing_vibes.run.folder import RunFolder
from listing_vibes.scoring.baselines import BASELINES
from listing_vibes.scoring.blend import Blend
from listing_vibes.scoring.interactions import IdModel, Interactions
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.recency import RecentEvents, recency_prior
from listing_vibes.scoring.text_space import text_vectors

#: Moments whose gains and masks are cached.
MOMENTS = 5


class RunBlend:
    """The blend of a run's model with the weights of a `Fit`; each part is computed on first use.

    Args:
        train: (N,) bool, the events that fit the id model, the whitening of texts and, without timestamps, recency; None for
            all wanted events, as in serving.
    """

    def __init__(self, run: RunFolder, fit: Fit, train: np.ndarray | None = None) -> None:
        self.run, self.fit = run, fit
        self._train = train
        self._gains: Cache[int, np.ndarray | None] = Cache(MOMENTS)

    @property
    def score_all(self) -> bool:
        """Return whether every listing must be scored for every query, since the blend differs from user to user."""
        return self.fit.space is not None or self.fit.ids is not None

    @property
    def has_recent(self) -> bool:
        """Return whether the blend has recency."""
        return self.fit.days is not None or self.fit.events is not None

    def scorer(self, model: Scorer, log: EventLog) -> Blend:
        """Return the blend with `model`, for queries on `log`."""
        return replace(self.personal(model, log), recent=self.recent, weight=self.fit.weight)

    def personal(self, model: Scorer, log: EventLog) -> Blend:
        """Return the blend without recency, whose gains are the same for all users at a moment."""
        neighbors = None if self.fit.space is None else replace(self._neighbors, log=log)
        ids = None if self.fit.ids is None else self._ids.over(log)
        return Blend(self.fit.name, model, neighbors, self.fit.share, ids, self.fit.id_share)

    def gain(self, at: int) -> np.ndarray | None:
        """Return the gains (L,) float32 by recent events at a moment; None without recency."""

        def make() -> np.ndarray | None:
            if self.recent is None:
                return None
            return recency_prior(self.recent.counts(np.array([at])), self.fit.weight)[0]

        return self._gains.get(at, make)

    def open(self) -> None:
        """Compute the parts that score users now."""
        _ = self.fit.space is None or self._neighbors, self.fit.ids is None or self._ids

    @cached_property
    def recent(self) -> RecentEvents | None:
        """Return the counter of recent events; None without recency."""
        if not self.has_recent:
            return None
        return RecentEvents.of(
            self.run.log, self._fitting_events, self.fit.days, self.fit.events, self.run.catalogue
        )

    @property
    def _fitting_events(self) -> np.ndarray:
        return self.run.log.is_positive if self._train is None else self._train

    @cached_property
    def _neighbors(self) -> VectorNeighbors:
        space, run = self.fit.space, self.run
        vectors = None
        if space in run.spaces:
            vectors = run.vectors(space)
        elif space == "text":
            vectors = text_vectors(run.market, run.log.counts(self._fitting_events) > 0)
        if space is None or vectors is None:
            raise VibesError(f"{run.path} has no {space} vectors for neighbors; evaluate it again.")
        return VectorNeighbors.of(vectors, run.log, self.fit.decay, NEIGHBORS[space], self.fit.nearest)

    @cached_property
    def _ids(self) -> IdModel:
        models = {item.name: item for item in BASELINES.values() if issubclass(item, IdModel)}
        if self.fit.ids not in models:
            raise VibesError(
                f"{self.run.path} was evaluated with the id model '{self.fit.ids}', which is unknown; evaluate it again."
            )
        interactions = Interactions.of(self.run.log, self._fitting_events)
        seed = self.run.manifest.settings.seed
        return models[self.fit.ids].again(interactions, self.fit.id_settings, seed)
