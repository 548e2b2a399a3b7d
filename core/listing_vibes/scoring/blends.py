"""What serving adds to a model: the popularity of the last days, the opinion of another scorer. Never the model itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
#: Weights of neighbours that are tried beside recency, of which each is tried with all windows and weights.
SHARES = (0.2, 0.45, 0.8, 1.4)
BATCH = 256  # queries at once
#: What trying all windows and weights of a scorer costs, and all weights of a pair, in trials of one (see `validation_sample`).
WINDOWED, PAIRED = 10, 2


class Remembered:
    """A scorer that keeps what it gave of its last batch: several rows of a table ask for the same."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.name = scorer, scorer.name
        self._batch: Queries | None = None
        self._kept: dict[str, np.ndarray] = {}

    @property
    def note(self) -> str:
        """What the scorer says of itself, "" where that is nothing."""
        return getattr(self.scorer, "note", "")

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32, not to be written to."""
        return self._once(batch, "scores", lambda: np.asarray(self.scorer.score(batch)))

    def standardised(self, batch: Queries) -> np.ndarray:
        """(B, L) float32, not to be written to: `standardised` scores."""
        return self._once(batch, "standardised", lambda: standardised(self.score(batch)))

    def opinions(self, batch: Queries) -> np.ndarray:
        """(B, L) float32, not to be written to: `opinions` by its scores."""
        return self._once(batch, "opinions", lambda: opinions(self.score(batch)))

    def _once(self, batch: Queries, what: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        if self._batch is not batch:
            self._batch, self._kept = batch, {}
        if what not in self._kept:
            found = make()
            found.setflags(write=False)
            self._kept[what] = found
        return self._kept[what]


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
    name: str = blend_name("recency")

    @classmethod
    def tune(
        cls,
        scorers: Sequence[Scorer],
        log: EventLog,
        split: Split,
        catalogue: Catalogue,
        seed: int = 0,
        name: str = blend_name("recency"),
        windows: Sequence[int] = WINDOWS,
    ) -> "RecencyPrior":
        """The scorer, window (one of `windows`, in days) and weight with the best (smooth) validation recall@30; the first with weight 0 where
        nothing can be tuned."""
        if log.timed:
            counted = [RecentEvents.over_days(log, days, catalogue) for days in windows]
        else:
            counted = [RecentEvents.over_events(log, split.train, events) for events in LAST_EVENTS]
        queries = validation_sample(split, seed, log.listings, WINDOWED * len(scorers))
        if not len(queries):
            return cls(scorers[0], counted[0], 0.0, name)
        first = queries.take(slice(0, BATCH))
        spread = recency_prior(counted[0].counts(first.at)).std(axis=1).mean()
        units = [
            float(score_spread(scorer, log, first) / spread) if spread > 0 else 0.0 for scorer in scorers
        ]
        choices = [
            (scorer, window, weight * unit)
            for scorer, unit in zip(scorers, units, strict=True)
            for window in counted
            for weight in WEIGHTS
        ]

        def sums(batch: Queries) -> Iterator[Sums]:
            recent = [recency_prior(window.counts(batch.at)) for window in counted]
            for scorer, unit in zip(scorers, units, strict=True):
                own, weights = (
                    checked_scores(scorer, batch, log.listings),
                    (np.array(WEIGHTS) * unit).astype(np.float32),
                )
                yield from ((own, prior, weights) for prior in recent)

        scorer, window, weight = best_choice(choices, sums, log, queries, catalogue)
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
        queries = validation_sample(split, seed, log.listings, PAIRED * len(scorers) * len(others))
        if not len(queries):
            return cls(scorers[0], others[0], 0.0, name)

        def sums(batch: Queries) -> Iterator[Sums]:
            beside = [opinions(checked_scores(other, batch, log.listings)) for other in others]
            for scorer in scorers:
                own = standardised(checked_scores(scorer, batch, log.listings))
                yield from ((own, one, np.array(WEIGHTS, np.float32)) for one in beside)

        choices = [(scorer, other, weight) for scorer in scorers for other in others for weight in WEIGHTS]
        scorer, other, weight = best_choice(choices, sums, log, queries, catalogue)
        return cls(scorer, other, weight, name)

    @property
    def note(self) -> str:
        """What was fitted."""
        return f"{_told(self.scorer)} + {self.weight:.3g} x {_told(self.other)}, both standardised"

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32; `-inf` where `scorer` cannot recommend a listing."""
        own, other = self.scorer, self.other
        mine = own.standardised(batch) if isinstance(own, Remembered) else standardised(own.score(batch))
        beside = other.opinions(batch) if isinstance(other, Remembered) else opinions(other.score(batch))
        return mine + np.float32(self.weight) * beside


def _told(scorer: Scorer) -> str:
    """What was fitted of a scorer that is fitted itself, else its name with what it says of itself."""
    note = getattr(scorer, "note", "")
    if isinstance(scorer, RecencyPrior | Blend):
        return note
    return f"{scorer.name} ({note})" if note else scorer.name


def standardised(scores: np.ndarray) -> np.ndarray:
    """(B, L) float32: each row with mean 0 and deviation 1 over its finite values; `-inf` stays, a constant row is 0."""
    found = np.empty(scores.shape, np.float32)
    for rows in pieces(*scores.shape):
        found[rows] = _standardised(scores[rows])
    return found


def opinions(scores: np.ndarray) -> np.ndarray:
    """(B, L) float32: the scores standardised, and 0, their mean, for a listing of which a scorer knows nothing."""
    found = np.empty(scores.shape, np.float32)
    for rows in pieces(*scores.shape):
        known = _standardised(scores[rows])
        found[rows] = np.where(np.isfinite(known), known, 0)
    return found


def _standardised(scores: np.ndarray) -> np.ndarray:
    """`standardised` of a few rows (b, L): its passes, half of them in float64, stay in the processor's cache."""
    known = np.isfinite(scores)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, scores, 0).sum(axis=1, keepdims=True, dtype=np.float64) / count
    centred = np.where(known, scores - mean, 0)  # (B, L)
    spread = np.sqrt(np.square(centred).sum(axis=1, keepdims=True) / count)
    found = centred / np.where(spread > 1e-12, spread, 1)
    return np.where(known, found, -np.inf).astype(np.float32)


def best_choice(
    choices: Sequence[T],
    sums: Callable[[Queries], Iterable[Sums]],
    log: EventLog,
    queries: Queries,
    catalogue: Catalogue,
) -> T:
    """The choice with the highest smooth recall@30 (mean over users), the earlier one of equals.

    `sums` gives of a batch what the choices add to what, in their order, so that what they share is computed once.
    """
    ranks = np.zeros((len(queries), len(choices)), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, BATCH):
        found = [ranks_of_sums(*some, allowed, batch.target) for some in sums(batch)]  # (B, W) each
        ranks[rows] = np.concatenate(found, axis=1)
    reached = user_means(smooth_recall(ranks), queries.user).mean(axis=0)  # (C,)
    return choices[int(np.argmax(reached))]


def score_spread(scorer: Scorer, log: EventLog, batch: Queries) -> np.floating:
    """Return the standard deviation of a row of scores over its finite values, as a mean over the batch."""
    own = checked_scores(scorer, batch, log.listings)
    known = np.isfinite(own)
    return np.mean([row[mask].std() for row, mask in zip(own, known, strict=True) if mask.any()])
