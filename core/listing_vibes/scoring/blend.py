"""The blend of a model's scores with neighbors, ids and recent events, with weights fitted on validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split
from listing_vibes.scoring.baselines.recent_popularity import LAST_EVENTS
from listing_vibes.scoring.metrics import smooth_recall, user_means
from listing_vibes.scoring.ranking import Scorer, batches, checked_scores, pieces, ranks_of_sums
from listing_vibes.scoring.ranking_names import blend_name
from listing_vibes.scoring.recency import RecentEvents, recency_prior
from listing_vibes.scoring.tuning import validation_sample

T = TypeVar("T")
#: Scores (B, L), other scores (B, L), and the weights (W,) with which the others are added.
Sums = tuple[np.ndarray, np.ndarray, np.ndarray]
WINDOWS = (60, 15, 30, 120, 240)  # windows in days before the moment of a query
#: Weights that are tried, with 0, as shares of the ratio of the two scores' standard deviations.
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0)
#: Weights of neighbors that are tried with recency, each with all windows and weights.
SHARES = (0.2, 0.45, 0.8, 1.4)
BATCH = 256  # queries per batch
#: The cost of tuning recency, and of tuning a partner, in trials (see `validation_sample`).
WINDOWED, PAIRED = 10, 2


class CachedScorer:
    """A scorer that caches its last batch, since several rankings of a table use the same scores."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.name = scorer, scorer.name
        self._batch: Queries | None = None
        self._cached: dict[object, np.ndarray] = {}

    @property
    def note(self) -> str:
        """Return the note of the scorer; "" if there is none."""
        return getattr(self.scorer, "note", "")

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32, which must not be changed."""
        return self._get(batch, None, lambda: np.asarray(self.scorer.score(batch)))

    def transformed(self, batch: Queries, transform: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return transformed scores (B, L) float32, which must not be changed; see `standardize` and `standardize_known`."""
        return self._get(batch, transform, lambda: transform(self.score(batch)))

    def _get(self, batch: Queries, key: object, make: Callable[[], np.ndarray]) -> np.ndarray:
        if self._batch is not batch:
            self._batch, self._cached = batch, {}
        if key not in self._cached:
            scores = make()
            scores.setflags(write=False)
            self._cached[key] = scores
        return self._cached[key]


@dataclass(frozen=True, eq=False)
class Blend:
    """score = model + share x neighbors + id_share x ids + weight x log(1 + recent events).

    With neighbors or ids, both scores are standardized per query over the listings with a score; a listing without a score of the
    partner (`-inf`, such as a cold listing for an id model) gets the mean. Recent events are those strictly before the query's
    moment; they add current popularity, which a trained model does not know. A listing that the model cannot recommend stays
    at `-inf`.
    """

    name: str
    model: Scorer
    neighbors: Scorer | None = None
    share: float = 0.0
    ids: Scorer | None = None
    id_share: float = 0.0
    recent: RecentEvents | None = field(default=None, repr=False)
    weight: float = 0.0

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32; `-inf` if the model cannot recommend a listing."""
        scores = None
        for partner, share in ((self.neighbors, self.share), (self.ids, self.id_share)):
            if partner is not None:
                first = _transform(self.model, batch, standardize) if scores is None else standardize(scores)
                scores = first + np.float32(share) * _transform(partner, batch, standardize_known)
        scores = self.model.score(batch) if scores is None else scores
        return (
            scores
            if self.recent is None
            else scores + recency_prior(self.recent.counts(batch.at), self.weight)
        )

    @property
    def note(self) -> str:
        """Return a description of the fitted weights."""
        text = _describe(self.model)
        for partner, share in ((self.neighbors, self.share), (self.ids, self.id_share)):
            if partner is not None:
                text += f" + {share:.3g} x {_describe(partner)}, both standardized"
        if self.recent is not None:
            text += f" + {self.weight:.3g} x log(1 + events in the last {self.recent.window})"
        return text


def _describe(scorer: Scorer) -> str:
    note = getattr(scorer, "note", "")
    return f"{scorer.name} ({note})" if note else scorer.name


def _transform(scorer: Scorer, batch: Queries, transform: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if isinstance(scorer, CachedScorer):
        return scorer.transformed(batch, transform)
    return transform(scorer.score(batch))


def tune_recency(
    scorers: Sequence[Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int = 0,
    name: str = blend_name("recency"),
    windows: Sequence[int] = WINDOWS,
) -> Blend:
    """Return one of the scorers blended with recency, by the best smooth validation recall@30.

    The choice is between scorers, weights and `windows` (in days; without timestamps, the last training events of each user).
    Without validation queries it is the first scorer with weight 0.
    """
    if log.timed:
        counted = [RecentEvents.over_days(log, days, catalogue) for days in windows]
    else:
        counted = [RecentEvents.over_events(log, split.train, events) for events in LAST_EVENTS]
    queries = validation_sample(split, seed, log.listings, WINDOWED * len(scorers))
    if not len(queries):
        return replace(_as_blend(scorers[0]), name=name, recent=counted[0])
    first = queries.take(slice(0, BATCH))
    spread = recency_prior(counted[0].counts(first.at)).std(axis=1).mean()
    units = [float(score_spread(scorer, log, first) / spread) if spread > 0 else 0.0 for scorer in scorers]
    choices = [
        (scorer, window, weight * unit)
        for scorer, unit in zip(scorers, units, strict=True)
        for window in counted
        for weight in WEIGHTS
    ]

    def sums(batch: Queries) -> Iterator[Sums]:
        recent = [recency_prior(window.counts(batch.at)) for window in counted]
        for scorer, unit in zip(scorers, units, strict=True):
            scores = checked_scores(scorer, batch, log.listings)
            yield from ((scores, prior, (np.array(WEIGHTS) * unit).astype(np.float32)) for prior in recent)

    scorer, window, weight = best_choice(choices, sums, log, queries, catalogue)
    return replace(_as_blend(scorer), name=name, recent=window, weight=weight)


def tune_partner(
    scorers: Sequence[Scorer],
    partners: Sequence[Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int = 0,
    name: str = blend_name("neighbors"),
    are_ids: bool = False,
) -> Blend:
    """Return one of the scorers blended with one of the partners (neighbors or id models), by the best smooth validation recall@30.

    Partners are compared in the blend, since the best partner is not always the best scorer. Without validation queries the result
    is the first scorer and the first partner with weight 0.
    """
    queries = validation_sample(split, seed, log.listings, PAIRED * len(scorers) * len(partners))

    def sums(batch: Queries) -> Iterator[Sums]:
        others = [standardize_known(checked_scores(partner, batch, log.listings)) for partner in partners]
        for scorer in scorers:
            scores = standardize(checked_scores(scorer, batch, log.listings))
            yield from ((scores, item, np.array(WEIGHTS, np.float32)) for item in others)

    choices = [(scorer, partner, weight) for scorer in scorers for partner in partners for weight in WEIGHTS]
    scorer, partner, weight = (
        best_choice(choices, sums, log, queries, catalogue) if len(queries) else choices[0]
    )
    if are_ids:
        return replace(_as_blend(scorer), name=name, ids=partner, id_share=weight)
    return replace(_as_blend(scorer), name=name, neighbors=partner, share=weight)


def _as_blend(scorer: Scorer) -> Blend:
    return scorer if isinstance(scorer, Blend) else Blend(scorer.name, scorer)


def standardize(scores: np.ndarray) -> np.ndarray:
    """Standardize scores (B, L) per row over the finite values; `-inf` stays, and a constant row is 0."""
    result = np.empty(scores.shape, np.float32)
    for rows in pieces(*scores.shape):  # A few rows at a time stay in the processor's cache.
        valid = np.isfinite(scores[rows])
        count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
        mean = np.where(valid, scores[rows], 0).sum(axis=1, keepdims=True, dtype=np.float64) / count
        centered = np.where(valid, scores[rows] - mean, 0)  # (b, L)
        spread = np.sqrt(np.square(centered).sum(axis=1, keepdims=True) / count)
        result[rows] = np.where(valid, centered / np.where(spread > 1e-12, spread, 1), -np.inf)
    return result


def standardize_known(scores: np.ndarray) -> np.ndarray:
    """Standardize scores (B, L) per row, with 0, the mean, for listings without a score."""
    result = standardize(scores)
    result[~np.isfinite(result)] = 0
    return result


def best_choice(
    choices: Sequence[T],
    sums: Callable[[Queries], Iterable[Sums]],
    log: EventLog,
    queries: Queries,
    catalogue: Catalogue,
) -> T:
    """Return the choice with the highest smooth recall@30 (mean over users); the earlier one of a tie.

    `sums` returns the scores and weights of the choices for a batch, in order, so that common parts are computed once.
    """
    ranks = np.zeros((len(queries), len(choices)), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, BATCH):
        parts = [ranks_of_sums(*item, allowed, batch.target) for item in sums(batch)]  # (B, W) each
        ranks[rows] = np.concatenate(parts, axis=1)
    recall = user_means(smooth_recall(ranks), queries.user).mean(axis=0)  # (C,)
    return choices[int(np.argmax(recall))]


def score_spread(scorer: Scorer, log: EventLog, batch: Queries) -> np.floating:
    """Return the mean over the batch of the standard deviation of finite scores per row."""
    scores = checked_scores(scorer, batch, log.listings)
    valid = np.isfinite(scores)
    return np.mean([row[mask].std() for row, mask in zip(scores, valid, strict=True) if mask.any()])
