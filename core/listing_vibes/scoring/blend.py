"""The blend: a conditional logit over the model's score, untrained neighbors, recent events and the age of listings.

P(next listing | candidates) = softmax(weights . features / scales), McFadden 1974 ("Conditional logit analysis of qualitative choice
behavior"), fitted on validation queries with a Gaussian prior of weights from other markets (`blend_prior.toml`): with few queries
the prior decides, with many the market. No library fits it with sampled candidates, weights of users and such a prior.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split, choosing
from listing_vibes.model.settings import BlendWeights
from listing_vibes.scoring.ranking import Scorer, batches, checked_scores
from listing_vibes.scoring.recency import RecentEvents, log_counts
from listing_vibes.scoring.scores import Scores
from listing_vibes.scoring.tuning import validation_sample
from listing_vibes.search.index import best

#: Queries per batch of the curvature, which limits the memory.
CURVATURE_BATCH = 128
#: The smallest overall scale of weights: a prior of weight zero would rank nothing.
LEAST_SCALE = 0.1
#: Candidates per validation query, and queries per batch.
CANDIDATES, BATCH = 512, 128
#: The precision of the prior of a market that is fitted without other markets.
WEAK = 1.0
#: The tables of the prior, each with its value for a feature that it lacks: weights at one example, their changes by a tenfold of
#: examples, and standard deviations.
PRIOR = {"mean": 0.0, "slope": 0.0, "spread": 0.3}
#: The least and most examples of the markets of the prior, about.
EXAMPLES = (100, 100_000)
#: The count of events, whose weight is never negative: in leave-one-out each listing lacks its held-out events, so that a fit would
#: otherwise take few events for the sign of a target.
RECENT = "recent"
#: Content EASE, which the default blend has where validation finds a weight of at least so many standard errors.
COVISITS, STANDARD_ERRORS = "covisits", 3.0
#: The weights of the model only.
ALONE = BlendWeights(weights={"model": 1.0}, scales={"model": 1.0})
#: A feature of all listings that is the same for all users: moments (B,) to values (B, L) float32.
Moment = Callable[[np.ndarray], np.ndarray]


def user_shares(user: np.ndarray) -> np.ndarray:
    """Return the weight (Q,) of each query of the users (Q,), so that each user counts once."""
    _, number, count = np.unique(user, return_inverse=True, return_counts=True)
    return np.asarray(1 / count[number])


def overall_scale(features: np.ndarray, valid: np.ndarray, share: np.ndarray, mean: np.ndarray) -> float:
    """Return the factor of the weights `mean` (F,) that fits best, at least `LEAST_SCALE`; the others are as in `fit_logit`."""
    scale, _ = fit_logit((features @ mean)[..., None], valid, share, np.ones(1), np.full(1, LEAST_SCALE))
    return max(float(scale[0]), LEAST_SCALE)


def fit_logit(
    features: np.ndarray,
    valid: np.ndarray,
    share: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    least: np.ndarray | float = -np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (F,) of the highest posterior and their standard errors (F,), by Laplace's approximation.

    Args:
        features: (Q, C, F), of the target first.
        valid: (Q, C) bool, the candidates.
        share: (Q,) the weight of each query.
        mean: (F,) of the prior, with `precision` (F,).
        least: (F,) the least weights.
    """

    def choice(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = np.where(valid, features @ weights, -np.inf)
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        total = odds.sum(axis=1, keepdims=True)
        return odds / total, np.log(total[:, 0]) - scores[:, 0]  # (Q, C) probabilities, (Q,) losses

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        chance, losses = choice(weights)
        expected = np.einsum("qc,qcf->qf", chance, features)
        gap = weights - mean
        gradient = share @ (expected - features[:, 0]) + precision * gap
        return float(share @ losses + 0.5 * precision @ gap**2), gradient

    from scipy.optimize import minimize  # slow to import, and needed for a fit only

    bounds = [(bound, None) for bound in np.broadcast_to(least, mean.shape)]
    weights = minimize(loss, mean, jac=True, method="L-BFGS-B", bounds=bounds).x
    chance, _ = choice(weights)
    curvature = np.diag(precision)
    for part in range(0, len(features), CURVATURE_BATCH):
        rows = slice(part, part + CURVATURE_BATCH)
        centered = features[rows] - np.einsum("qc,qcf->qf", chance[rows], features[rows])[:, None]
        weighted = centered * (chance[rows] * share[rows, None])[..., None]
        curvature = curvature + np.einsum("qcf,qcg->fg", weighted, centered)
    return weights, np.sqrt(np.diag(np.linalg.inv(curvature)))


def log_events(counted: RecentEvents, at: np.ndarray) -> np.ndarray:
    """Return log(1 + recent events), (B, L) float32 at the moments `at` (B,)."""
    return log_counts(counted.counts(at))


def log_age(since: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return log(1 + days since publication), (B, L) float32; for a listing without a date the mean of the others.

    Args:
        since: (L,) int64 nanoseconds; the smallest integer if unknown.
        at: (B,) moments.
    """
    known = since > np.iinfo(np.int64).min
    days = np.maximum(at[:, None] - np.where(known, since, 0), 0) / DAY
    result: np.ndarray = np.log1p(days).astype(np.float32)  # (B, L)
    result[:, ~known] = result[:, known].mean(axis=1, keepdims=True) if known.any() else 0
    return result


@dataclass(frozen=True, eq=False)
class Blend:
    """A scorer: the sum of weight x feature / scale, in the unit of the first feature.

    A listing without a score in a feature (no photo, or cold for an id model) gets the feature's mean of the query. Without a score
    in the first feature it cannot be recommended, whatever the weight of that feature is.
    """

    weights: BlendWeights
    scorers: Mapping[str, Scorer]
    moments: Mapping[str, Moment] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name of the ranking."""
        return self.weights.name

    def over(self, log: EventLog) -> Blend:
        """Return the same blend for the histories of another log over the same listings."""
        return replace(self, scorers={name: part.over(log) for name, part in self.scorers.items()})  # type: ignore[attr-defined]

    def scores(self, batch: Queries, known: Mapping[str, np.ndarray] | None = None) -> Scores:
        """Return the scores of a batch; those of the features `known` (B, L) are not computed again."""
        columns: dict[str, np.ndarray] = {}
        missing: tuple[np.ndarray, ...] = ()
        for name, scorer in self.scorers.items():
            scores = np.asarray(scorer.score(batch) if known is None or name not in known else known[name])
            if not columns and len((places := np.nonzero(scores == -np.inf))[0]):
                missing = places
            columns[name] = filled(scores) * self.weights.factor(name)
        return Scores(columns | self.gains(batch.at), missing)

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32, `-inf` without a score in the first feature."""
        return self.scores(batch).total

    def gains(self, at: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns that are the same for all users at the moments `at` (B,): (B, L) float32, or (1, L) of one moment."""
        return {name: moment(at) * self.weights.factor(name) for name, moment in self.moments.items()}

    @property
    def note(self) -> str:
        """Return the weights, per standard deviation of each feature."""
        return self.weights.note


def filled(scores: np.ndarray) -> np.ndarray:
    """Return scores (B, L) with the row's mean in place of missing ones (`-inf`)."""
    valid = scores != -np.inf
    if valid.all():
        return scores
    count = np.maximum(valid.sum(axis=1, keepdims=True), 1)
    mean = np.where(valid, scores, 0).sum(axis=1, keepdims=True) / count
    return np.where(valid, scores, mean).astype(np.float32)


def moments_of(log: EventLog, train: np.ndarray, catalogue: Catalogue) -> dict[str, Moment]:
    """Return the features of listings at a moment: recent events and, where listings have dates, their age.

    Args:
        train: (N,) bool, the events that count without timestamps.
    """
    moments: dict[str, Moment] = {RECENT: partial(log_events, RecentEvents.of(log, train))}
    if log.timed and len(np.unique(catalogue.since)) > 1:
        moments["age"] = partial(log_age, catalogue.since)
    return moments


def fit_blend(
    name: str,
    scorers: Mapping[str, Scorer],
    moments: Mapping[str, Moment],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int = 0,
    needs_proof: bool = False,
) -> Blend:
    """Return the blend of `scorers` and `moments` with the weights of the highest posterior on validation queries.

    Without validation queries the weights are those of other markets.

    Args:
        needs_proof: leave `COVISITS` out unless its weight in this market alone is at least `STANDARD_ERRORS` of its errors.
    """
    queries = validation_sample(split, seed, log.listings, len(scorers) + len(moments))
    measured = queries if len(queries) else choosing(split, log, catalogue).valid.take(slice(0, 2 * BATCH))
    features, valid, scales = _candidates(scorers, moments, log, measured, catalogue, seed)
    names = [*scorers, *moments]
    kept = valid[:, 0] & (len(queries) > 0)
    features, valid, share = features[kept], valid[kept], user_shares(measured.user)[kept]
    least = np.array([0.0 if name in (RECENT, COVISITS) else -np.inf for name in names])
    flat = np.zeros(len(names))
    alone, alone_errors = fit_logit(features, valid, share, flat, np.full(len(names), WEAK), least)
    if needs_proof and COVISITS in names:
        number = names.index(COVISITS)
        if alone[number] < STANDARD_ERRORS * alone_errors[number]:
            others = {name: scorer for name, scorer in scorers.items() if name != COVISITS}
            return fit_blend(name, others, moments, log, split, catalogue, seed)
    mean, spread = prior_of(names, np.bincount(log.user[split.train]))
    size = overall_scale(features, valid, share, mean)
    weights, errors = fit_logit(features, valid, share, size * mean, (max(size, 1.0) * spread) ** -2.0, least)
    parts = {"weights": weights, "scales": scales, "errors": errors, "alone": alone}
    stored = {key: dict(zip(names, np.round(part, 6).tolist(), strict=True)) for key, part in parts.items()}
    settings = {COVISITS: scorers[COVISITS].settings} if COVISITS in scorers else {}  # type: ignore[attr-defined]
    return Blend(BlendWeights(name=name, queries=len(share), **settings, **stored), scorers, moments)


@cache
def _prior() -> dict[str, dict[str, float]]:
    tables: dict[str, dict[str, float]] = tomllib.loads(
        Path(__file__).with_name("blend_prior.toml").read_text(encoding="utf-8")
    )
    return tables


def count_examples(events: np.ndarray) -> int:
    """Return the number of examples: all training events (U,) of each user but the first."""
    return int(np.maximum(events - 1, 0).sum())


def prior_of(names: list[str], events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means and standard deviations (F,) of the weights in other markets, relative to their overall size.

    A mean changes by its slope with each tenfold of examples, since a model of more examples has a greater weight.

    Args:
        events: (U,) training events of each user.
    """
    tenfolds = math.log10(np.clip(count_examples(events), *EXAMPLES))
    mean, slope, spread = (
        np.array([_prior()[table].get(name, unknown) for name in names]) for table, unknown in PRIOR.items()
    )
    mean = mean + slope * tenfolds
    if not mean.any():  # None of these features has a weight in other markets.
        mean[0] = 1.0
    return mean, spread


def _candidates(
    scorers: Mapping[str, Scorer],
    moments: Mapping[str, Moment],
    log: EventLog,
    queries: Queries,
    catalogue: Catalogue,
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features (Q, C, F) of the target, first, and of sampled candidates, which of them (Q, C) are candidates, and scales (F,).

    A uniform sample of the candidates leaves the estimates of a conditional logit consistent (McFadden 1978, "Modelling the choice
    of residential location", section 5). Features are divided by their scales, the mean standard deviation in a query.
    """
    rng, count = np.random.default_rng([seed, 5]), min(CANDIDATES, log.listings)
    size = len(scorers) + len(moments)
    features = np.zeros((len(queries), 1 + count, size), np.float32)
    valid = np.zeros((len(queries), 1 + count), bool)
    spread = np.zeros((len(queries), size))
    for rows, batch, allowed in batches(log, queries, catalogue, BATCH, size):
        line = np.arange(len(batch))
        targets = allowed[line, batch.target]
        allowed[line, batch.target] = False
        order, _ = best(np.where(allowed, -rng.random(allowed.shape, np.float32), -2), count)  # (B, C)
        columns = np.column_stack([batch.target, order])
        valid[rows] = np.column_stack([targets, allowed[line[:, None], order]])
        for index, (name, part) in enumerate((scorers | moments).items()):  # type: ignore[operator]
            is_moment = name in moments
            values = part(batch.at) if is_moment else filled(checked_scores(part, batch, log.listings))
            features[rows, :, index] = np.take_along_axis(values, columns, axis=1)
            spread[rows, index] = values.std(axis=1)
    scales = spread.mean(axis=0) if len(queries) else np.ones(size)
    scales[scales < 1e-9] = 1.0
    return np.nan_to_num(features / scales.astype(np.float32), neginf=-1e3), valid, scales
