"""What serving adds to a model: the popularity of the last days, the opinion of another scorer. Never the model itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from core.market.log import EventLog
from core.market.splits import Catalogue, Queries, Split
from core.scoring.baselines.recent_popularity import LAST_EVENTS
from core.scoring.metrics import smooth_recall, user_means
from core.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks
from core.scoring.recency import RecentEvents, recency_prior
from core.scoring.tuning import MOST_QUERIES, validation_sample

T = TypeVar("T")
WINDOWS = (60, 15, 30, 120, 240)  # days before the moment of a query
#: Weights that are tried, 0 among them: shares of the spread of the one score over that of the other.
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.4, 2.0, 3.0)
#: Queries at once, and the scores of them that one scorer gives: `scores` may hold those of several.
BATCH, HELD = 256, 16_000_000
#: Scores that a fit looks at for each window and weight, at most, and the queries that it asks even so.
CELLS, LEAST_QUERIES = 200_000_000, 200


class Remembered:
    """A scorer that keeps the scores of its last batch: several rows of a table ask for the same ones."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.name = scorer, scorer.name
        self._batch: Queries | None = None
        self._scores = np.zeros((0, 0), np.float32)

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32, not to be written to."""
        if self._batch is not batch:
            self._scores = np.asarray(self.scorer.score(batch))
            self._scores.setflags(write=False)
            self._batch = batch
        return self._scores


@dataclass(frozen=True, eq=False)
class RecencyPrior:
    """A scorer's score + weight x log(1 + events in the days strictly before the query's moment).

    In a market a listing that many look at this month is likelier to be looked at next, whatever it is; a model that
    is trained once cannot know that, whoever serves it can. Without timestamps the last training events of each user
    stand for the last days. A listing that the scorer cannot recommend stays out.
    """

    scorer: Scorer
    recent: RecentEvents = field(repr=False)
    weight: float
    name: str = "model + recency"

    @classmethod
    def tune(
        cls,
        scorers: Sequence[Scorer],
        log: EventLog,
        split: Split,
        catalogue: Catalogue,
        seed: int = 0,
        name: str = "model + recency",
    ) -> "RecencyPrior":
        """The scorer, window and weight with the best (smooth) validation recall@30; the first with weight 0 where
        nothing can be tuned."""
        if log.timed:
            windows = [RecentEvents.over_days(log, days) for days in WINDOWS]
        else:
            windows = [RecentEvents.over_events(log, split.train, events) for events in LAST_EVENTS]
        affordable = max(LEAST_QUERIES, CELLS // (len(scorers) * log.listings))
        queries = validation_sample(split, seed, min(affordable, MOST_QUERIES))
        if not len(queries):
            return cls(scorers[0], windows[0], 0.0, name)
        first = queries.take(slice(0, BATCH))
        spread = recency_prior(windows[0].counts(first.at)).std(axis=1).mean()
        units = [float(_spread(scorer, log, first) / spread) if spread > 0 else 0.0 for scorer in scorers]
        choices = [
            (scorer, window, weight * unit)
            for scorer, unit in zip(scorers, units, strict=True)
            for window in windows
            for weight in WEIGHTS
        ]

        def scores(batch: Queries) -> Iterator[np.ndarray]:
            recent = [recency_prior(window.counts(batch.at)) for window in windows]
            for scorer, unit in zip(scorers, units, strict=True):
                own = checked_scores(scorer, batch, log.listings)
                for counted in recent:
                    for weight in WEIGHTS:
                        yield own + np.float32(weight * unit) * counted

        scorer, window, weight = best_choice(choices, scores, log, queries, catalogue)
        return cls(scorer, window, weight, name)

    @property
    def note(self) -> str:
        """What was fitted."""
        return f"{_told(self.scorer)} + {self.weight:.3g} x log(1 + events in the last {self.recent.window})"

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32."""
        return self.scorer.score(batch) + recency_prior(self.recent.counts(batch.at), self.weight)


@dataclass(frozen=True, eq=False)
class Blend:
    """The standardised scores of one scorer + weight x those of another.

    A listing of which the other knows nothing (`-inf`: cold, for an id model) gets its mean: no opinion. Each query's
    scores are standardised over the listings that have one.
    """

    scorer: Scorer
    other: Scorer
    weight: float
    name: str = "blend"

    @classmethod
    def tune(
        cls,
        scorers: Sequence[Scorer],
        others: Sequence[Scorer],
        log: EventLog,
        split: Split,
        catalogue: Catalogue,
        seed: int = 0,
        name: str = "blend",
    ) -> "Blend":
        """That of the scorers with that of the others, with that weight, whose blend has the best (smooth) validation
        recall@30.

        The best partner is not the best scorer: it is the one that knows what the scorer does not. The first ones with
        weight 0 where nothing can be tuned.
        """
        queries = validation_sample(split, seed)
        if not len(queries):
            return cls(scorers[0], others[0], 0.0, name)

        def scores(batch: Queries) -> Iterator[np.ndarray]:
            beside = [opinions(checked_scores(other, batch, log.listings)) for other in others]
            for scorer in scorers:
                own = standardised(checked_scores(scorer, batch, log.listings))
                for one in beside:
                    for weight in WEIGHTS:
                        yield own + np.float32(weight) * one

        choices = [(scorer, other, weight) for scorer in scorers for other in others for weight in WEIGHTS]
        scorer, other, weight = best_choice(choices, scores, log, queries, catalogue)
        return cls(scorer, other, weight, name)

    @property
    def note(self) -> str:
        """What was fitted."""
        return f"{_told(self.scorer)} + {self.weight:.3g} x {self.other.name}, both standardised"

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32; `-inf` where `scorer` cannot recommend a listing."""
        return standardised(self.scorer.score(batch)) + np.float32(self.weight) * opinions(
            self.other.score(batch)
        )


def _told(scorer: Scorer) -> str:
    """What was fitted of a scorer that is fitted itself, else its name."""
    return getattr(scorer, "note", scorer.name)


def standardised(scores: np.ndarray) -> np.ndarray:
    """(B, L) float32: each row with mean 0 and deviation 1 over its finite values; `-inf` stays, a constant row is 0."""
    known = np.isfinite(scores)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, scores, 0).sum(axis=1, keepdims=True, dtype=np.float64) / count
    centred = np.where(known, scores - mean, 0)  # (B, L)
    spread = np.sqrt(np.square(centred).sum(axis=1, keepdims=True) / count)
    found = centred / np.where(spread > 1e-12, spread, 1)
    return np.where(known, found, -np.inf).astype(np.float32)


def opinions(scores: np.ndarray) -> np.ndarray:
    """(B, L): the scores standardised, and 0, their mean, for a listing of which a scorer knows nothing."""
    known = standardised(scores)
    return np.where(np.isfinite(known), known, 0)


def best_choice(
    choices: Sequence[T],
    scores: Callable[[Queries], Iterable[np.ndarray]],
    log: EventLog,
    queries: Queries,
    catalogue: Catalogue,
) -> T:
    """The choice with the highest smooth recall@30 (mean over users), the earlier one of equals.

    `scores` gives of a batch one (B, L) array a choice, in their order, so that what they share is computed once.
    """
    ranks = np.zeros((len(queries), len(choices)), np.int64)
    size = max(1, min(BATCH, HELD // log.listings))
    for rows, batch, allowed in batches(log, queries, catalogue, size):
        for column, found in enumerate(scores(batch)):
            ranks[rows, column] = pessimistic_ranks(found, allowed, batch.target)
    reached = user_means(smooth_recall(ranks), queries.user).mean(axis=0)  # (C,)
    return choices[int(np.argmax(reached))]


def _spread(scorer: Scorer, log: EventLog, batch: Queries) -> np.floating:
    """The mean deviation of a row of scores, over what has one."""
    own = checked_scores(scorer, batch, log.listings)
    known = np.isfinite(own)
    return np.mean([row[mask].std() for row, mask in zip(own, known, strict=True) if mask.any()])
