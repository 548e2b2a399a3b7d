"""What a match in each attribute is worth: the weights of the attributes space, fitted on the events of training.

P(next listing | candidates) = softmax(sum of weight x cosine to the history in one attribute + recency), a conditional logit as in
`listing_vibes.scoring.blend`. It starts as attribute neighbors: equal weights, or those of another market, are the mean of a Gaussian
prior, whose standard deviation is the mean weight and at most 1, so that with few events the weights stay there. No value is learned,
only what it is worth to share one, so that weights apply in markets with other values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.features.content_spaces import AttributeSpace, parts_by_attribute
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, Split, next_listing
from listing_vibes.progress import Report, silent
from listing_vibes.scoring.blend import fit_logit, moments_of, overall_scale, user_shares
from listing_vibes.scoring.interactions import history_matrix
from listing_vibes.scoring.ranking import batches as batches_of
from listing_vibes.scoring.tuning import DECAYS

if TYPE_CHECKING:
    from scipy import sparse

#: The most queries and candidates of each, and queries per batch, which have the same candidates.
QUERIES, CANDIDATES, BATCH = 1000, 256, 128
#: The most listings that candidates are sampled from, and the most events that queries are.
LISTINGS, EVENTS = 20_000, 200_000
#: The least weight, so that a listing of which only such attributes are known still has a vector.
FLOOR = 0.01
#: The attributes that a table names with their weights.
SHOWN = 5


def weighted_attributes(
    market: Market,
    log: EventLog,
    split: Split | None,
    catalogue: Catalogue,
    prior: Mapping[str, float],
    seed: int,
    report: Report = silent,
) -> AttributeSpace | None:
    """Return the attributes space with weights fitted on the training events of `split`; None without attributes.

    Args:
        split: None without events, so that the weights are those of `prior`.
        prior: weights in other markets by the shared name of an attribute.
    """
    if not market.attributes:
        return None
    shared = {item.name: market.config.shared_name(item.name) for item in market.attributes}
    weights = {name: prior[other] for name, other in shared.items() if other in prior}
    space = AttributeSpace.of(market, weights, report)
    if split is None:
        return space
    return replace(space, weights=fit_attribute_weights(space, log, split, catalogue, seed))


def fit_attribute_weights(
    space: AttributeSpace, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0
) -> dict[str, float]:
    """Return the weight of each attribute, with mean 1; without training events, the weights of `space`, the mean of the prior."""
    names = [entry.name for entry in space.featurizer.vocabulary.attributes]
    start = np.array([space.weights.get(name, 1.0) for name in names])
    rng, chosen = np.random.default_rng([seed, 6]), split.train
    if len(rows := np.flatnonzero(chosen)) > EVENTS:
        chosen = np.zeros(len(log), bool)
        chosen[rows[rng.integers(len(rows), size=EVENTS)]] = True
    queries = next_listing(log, catalogue, log.before, chosen).sample(QUERIES, rng)
    if len(queries):
        batches = list(sampled_features(space, log, split, catalogue, queries, rng))
        features, valid = (np.concatenate(part) for part in zip(*batches, strict=True))
        share = user_shares(queries.user)  # (Q,)
        mean = np.append(start, np.zeros(features.shape[2] - len(names)))
        size = overall_scale(features, valid, share, mean)
        least = np.where(np.arange(len(mean)) < len(names), 0.0, -np.inf)
        weights, _ = fit_logit(
            features, valid, share, size * mean, np.full(len(mean), max(1.0, size**-2)), least
        )
        start = weights[: len(names)]
    relative = np.maximum(np.round(start / max(start.mean(), 1e-9), 3), FLOOR)
    return dict(zip(names, relative.tolist(), strict=True))


def weights_in_words(market: Market, weights: Mapping[str, float]) -> str:
    """Return the greatest `SHOWN` weights, such as "2.5 x Room type, 1.8 x Price"; "" if there are none."""
    labels = {item.name: item.label for item in market.attributes}
    greatest = sorted(weights, key=lambda name: -weights[name])[:SHOWN]
    return ", ".join(f"{weights[name]:.1f} x {labels.get(name, name)}" for name in greatest)


def sampled_features(
    space: AttributeSpace,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    queries: Queries,
    rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield features (B, 1 + C, F) of the target, first, and of sampled listings, and which of these (B, 1 + C) are candidates."""
    histories = history_matrix(log, queries.start, queries.end, DECAYS[0])  # (Q, L)
    drawn = np.sort(rng.choice(log.listings, min(log.listings, LISTINGS), replace=False))
    rows = np.unique(np.concatenate([drawn, queries.target, histories.indices]))
    parts = parts_by_attribute(space.featurizer, space.features, rows)
    total = np.maximum(histories.sum(axis=1), np.finfo(np.float32).tiny)
    histories = histories.multiply(1 / total[:, None]).tocsr()[:, rows]
    moments = moments_of(log, split.train, catalogue) if log.timed else {}
    for number, batch, allowed in batches_of(log, queries, catalogue, BATCH, 1):
        line, listing = np.arange(len(batch)), rng.permutation(drawn)[:CANDIDATES]
        columns = np.column_stack([batch.target, np.tile(listing, (len(batch), 1))])  # (B, 1 + C)
        valid = np.column_stack([allowed[line, batch.target], allowed[:, listing]])
        valid[:, 1:] &= listing != batch.target[:, None]
        candidates, where = np.unique(columns, return_inverse=True)
        place = np.searchsorted(rows, candidates)
        values = [
            sum(
                (_matches(histories[number], part, place) for part in several),
                np.zeros((len(batch), len(candidates))),
            )
            for several in parts.values()
        ]
        values += [moment(batch.at)[:, candidates] for moment in moments.values()]
        stacked = np.stack(values, axis=2)  # (B, S, F)
        yield stacked[line[:, None], where.reshape(columns.shape)], valid


def _matches(
    histories: sparse.csr_array, part: np.ndarray | sparse.csr_matrix, place: np.ndarray
) -> np.ndarray:
    """Return the cosines (B, C) of histories (B, n) to the listings at `place` (C,) by one part (n, d), centered as in the space."""
    from scipy import sparse

    values = sparse.csr_array(part)
    present = np.diff(values.indptr) > 0  # (n,)
    mean = np.asarray(values.sum(axis=0)).ravel() / max(1, present.sum())  # (d,)
    of_history = (histories @ values).toarray() - np.outer(histories @ present.astype(np.float32), mean)
    result = np.asarray((values[place] @ of_history.T).T) - (of_history @ mean)[:, None]
    return np.asarray(result * present[place], np.float32)
