"""The blend: what neighbors, ids and recent events add to a model's scores, with weights that are fitted on validation."""

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
#: Scores (B, L), others (B, L), and the weights (W,) with which these are added to those.
Sums = tuple[np.ndarray, np.ndarray, np.ndarray]
WINDOWS = (60, 15, 30, 120, 240)  # days before the moment of a query
#: Weights that are tried, 0 among them: shares of the spread of the one score over that of the other.
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0)
#: Weights of neighbors that are tried beside recency, of which each is tried with all windows and weights.
SHARES = (0.2, 0.45, 0.8, 1.4)
BATCH = 256  # queries at once
#: What trying all windows and weights of a scorer costs, and all weights of a pair, in trials of one (see `validation_sample`).
WINDOWED, PAIRED = 10, 2


class Remembered:
    """A scorer that caches its last batch: several rankings of a table need the same."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.name = scorer, scorer.name
        self._batch: Queries | None = None
        self._cached: dict[object, np.ndarray] = {}

    @property
    def note(self) -> str:
        """What the scorer says of itself, "" where that is nothing."""
        return getattr(self.scorer, "note", "")

    def score(self, batch: Queries) -> np.ndarray:
        """Return (B, L) float32, not to be written to."""
        return self._get(batch, None, lambda: np.asarray(self.scorer.score(batch)))

    def transformed(self, batch: Queries, transform: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return (B, L) float32, not to be written to: the scores, `standardised` or as `opinions`."""
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

    Beside neighbors or ids, both scores are standardised over the listings of a query that have one; a listing of which the
    other knows nothing (`-inf`: cold, for an id model) gets its mean: no opinion. Recent events are those strictly before the
    query's moment: a listing that many look at this month is likelier to be looked at next, whatever it is, and a model that
    is trained once cannot know that. A listing that the model cannot recommend stays out.
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
        """Return (B, L) float32; `-inf` where the model cannot recommend a listing."""
        scores = None
        for partner, share in ((self.neighbors, self.share), (self.ids, self.id_share)):
            if partner is not None:
                first = (
                    _transform(self.model, batch, standardised) if scores is None else standardised(scores)
                )
                scores = first + np.float32(share) * _transform(partner, batch, opinions)
        scores = self.model.score(batch) if scores is None else scores
        return (
            scores
            if self.recent is None
            else scores + recency_prior(self.recent.counts(batch.at), self.weight)
        )

    @property
    def note(self) -> str:
        """The fitted weights."""
        text = _describe(self.model)
        for partner, share in ((self.neighbors, self.share), (self.ids, self.id_share)):
            if partner is not None:
                text += f" + {share:.3g} x {_describe(partner)}, both standardised"
        if self.recent is not None:
            text += f" + {self.weight:.3g} x log(1 + events in the last {self.recent.window})"
        return text


def _describe(scorer: Scorer) -> str:
    note = getattr(scorer, "note", "")
    return f"{scorer.name} ({note})" if note else scorer.name


def _transform(scorer: Scorer, batch: Queries, transform: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if isinstance(scorer, Remembered):
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
    """Return one of the scorers, maybe blends, with recent events added: with the window (of `windows`, in days; without timestamps the
    last training events of each user) and weight of the best (smooth) validation recall@30; the first with weight 0 where there
    is nothing to validate."""
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
    """Return one of the scorers, maybe blends, with one of the partners, neighbors or id models, added: those and the weight with
    the best (smooth) validation recall@30; the first ones with weight 0 where there is nothing to validate.

    The best partner is not the best scorer: it is the one that knows what the scorer does not.
    """
    queries = validation_sample(split, seed, log.listings, PAIRED * len(scorers) * len(partners))

    def sums(batch: Queries) -> Iterator[Sums]:
        beside = [opinions(checked_scores(partner, batch, log.listings)) for partner in partners]
        for scorer in scorers:
            scores = standardised(checked_scores(scorer, batch, log.listings))
            yield from ((scores, item, np.array(WEIGHTS, np.float32)) for item in beside)

    choices = [(scorer, partner, weight) for scorer in scorers for partner in partners for weight in WEIGHTS]
    scorer, partner, weight = (
        best_choice(choices, sums, log, queries, catalogue) if len(queries) else choices[0]
    )
    if are_ids:
        return replace(_as_blend(scorer), name=name, ids=partner, id_share=weight)
    return replace(_as_blend(scorer), name=name, neighbors=partner, share=weight)


def _as_blend(scorer: Scorer) -> Blend:
    return scorer if isinstance(scorer, Blend) else Blend(scorer.name, scorer)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Return (B, L) float32: each row with mean 0 and deviation 1 over its finite values; `-inf` stays, a constant row is 0."""
    result = np.empty(scores.shape, np.float32)
    for rows in pieces(*scores.shape):  # a few rows at a time stay in the processor's cache
        valid = np.isfinite(scores[rows])
        count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
        mean = np.where(valid, scores[rows], 0).sum(axis=1, keepdims=True, dtype=np.float64) / count
        centered = np.where(valid, scores[rows] - mean, 0)  # (b, L)
        spread = np.sqrt(np.square(centered).sum(axis=1, keepdims=True) / count)
        result[rows] = np.where(valid, centered / np.where(spread > 1e-12, spread, 1), -np.inf)
    return result


def opinions(scores: np.ndarray) -> np.ndarray:
    """Return (B, L) float32: the scores standardised, and 0, their mean, for a listing of which a scorer knows nothing."""
    result = standardised(scores)
    result[~np.isfinite(result)] = 0
    return result


def best_choice(
    choices: Sequence[T],
    sums: Callable[[Queries], Iterable[Sums]],
    log: EventLog,
    queries: Queries,
    catalogue: Catalogue,
) -> T:
    """Return the choice with the highest smooth recall@30 (mean over users), the earlier one of equals.

    `sums` gives of a batch what the choices add to what, in their order, so that what they share is computed once.
    """
    ranks = np.zeros((len(queries), len(choices)), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, BATCH):
        parts = [ranks_of_sums(*item, allowed, batch.target) for item in sums(batch)]  # (B, W) each
        ranks[rows] = np.concatenate(parts, axis=1)
    recall = user_means(smooth_recall(ranks), queries.user).mean(axis=0)  # (C,)
    return choices[int(np.argmax(recall))]


def score_spread(scorer: Scorer, log: EventLog, batch: Queries) -> np.floating:
    """Return the standard deviation of a row of scores over its finite values, as a mean over the batch."""
    scores = checked_scores(scorer, batch, log.listings)
    valid = np.isfinite(scores)
    return np.mean([row[mask].std() for row, mask in zip(scores, valid, strict=True) if mask.any()])
