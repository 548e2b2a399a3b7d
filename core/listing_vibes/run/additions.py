"""What serving adds to a run's model, made ready: neighbours, an id model, what is recent."""

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

#: Moments whose gains, masks and indexes are cached.
MOMENTS = 5


class Additions:
    """The parts of one `Fit` over one run; each is made at its first use and kept.

    Args:
        train: (N,) bool, the market's events that an id model learns from and that whitening of texts and, without
            timestamps, recency know; None: all, as whoever serves has them.
    """

    def __init__(self, run: RunFolder, fit: Fit, train: np.ndarray | None = None) -> None:
        self.run, self.fit, self._train = run, fit, train
        #: What makers of lists have made of `gain`, by the moment it counts at.
        self.gains: Cache[int, np.ndarray | None] = Cache(MOMENTS)

    @property
    def score_all(self) -> bool:
        """Whether every listing has to be scored for every query: what is added differs from user to user."""
        return self.fit.space is not None or self.fit.ids is not None

    @property
    def has_recent(self) -> bool:
        """Whether recent events are counted."""
        return self.fit.days is not None or self.fit.events is not None

    def scorer(self, model: Scorer, log: EventLog) -> Scorer:
        """Return the blend with `model`, for queries on `log`."""
        return replace(self._blend(model, log), recent=self.recent, weight=self.fit.weight)

    def personal(self, model: Scorer, log: EventLog) -> Scorer:
        """Return the blend without recency, which is the same for all users of a moment."""
        return self._blend(model, log)

    def _blend(self, model: Scorer, log: EventLog) -> Blend:
        fit = self.fit
        neighbors = None if fit.space is None else replace(self._near, log=log)
        ids = None if fit.ids is None else self._ids.over(log)
        return Blend(fit.name, model, neighbors, fit.share, ids, fit.id_share)

    def gain(self, at: int) -> np.ndarray | None:
        """(L,) float32: what each listing's score gains at a moment; None where nothing is recent."""
        return (
            None
            if self.recent is None
            else recency_prior(self.recent.counts(np.array([at])), self.fit.weight)[0]
        )

    def open(self) -> None:
        """Make every part that scores users now."""
        _ = self.fit.space is None or self._near, self.fit.ids is None or self._ids

    @cached_property
    def recent(self) -> RecentEvents | None:
        """What counts the recent events of the market; None where the fit knows none."""
        if not self.has_recent:
            return None
        fit, run = self.fit, self.run
        return RecentEvents.of(run.log, self._known, fit.days, fit.events, run.catalogue)

    @property
    def _known(self) -> np.ndarray:
        return self.run.log.wanted if self._train is None else self._train

    @cached_property
    def _near(self) -> VectorNeighbors:
        assert self.fit.space is not None
        vectors = self._vectors(self.fit.space)
        # Of the market's log for now: `personal` gives each the log that is asked.
        log = _nobody(len(vectors))
        return VectorNeighbors.of(vectors, log, self.fit.decay, NEIGHBORS[self.fit.space], self.fit.nearest)

    @cached_property
    def _ids(self) -> IdModel:
        fit, run = self.fit, self.run
        assert fit.ids is not None
        models = {one.name: one for one in BASELINES.values() if issubclass(one, IdModel)}
        if fit.ids not in models:
            raise VibesError(
                f"{run.path} was evaluated with the id model '{fit.ids}', which is unknown; evaluate it again."
            )
        interactions = Interactions.of(run.log, self._known)
        return models[fit.ids].again(interactions, fit.id_settings, run.manifest.settings.seed)

    def _vectors(self, space: str) -> np.ndarray:
        """(L, d) the vectors that neighbours are told by.

        Raises:
            VibesError: the run has no such space any more.
        """
        if space in self.run.spaces:
            return self.run.vectors(space)
        vectors = None
        if space == "text":
            vectors = text_vectors(self.run.market, self.run.log.counts(self._known) > 0)
        if vectors is None:
            raise VibesError(
                f"{self.run.path} has no {space} to find neighbours by; evaluate it again, which fits what there is."
            )
        return vectors


def _nobody(listings: int) -> EventLog:
    none = np.empty(0, np.int64)
    return EventLog(none, none, none, none, none, np.zeros(1, np.int64), [], [], listings, True)
