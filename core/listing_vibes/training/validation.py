"""Recall on the validation queries, as training measures it to choose the best weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from listing_vibes.defaults import K
from listing_vibes.device import place
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Catalogue, Queries
from listing_vibes.model.encoder import encode_histories, encode_listings
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.metrics import smooth_recall, user_means
from listing_vibes.scoring.ranking import batches, pessimistic_ranks
from listing_vibes.scoring.recency import RecentEvents, recency_prior
from listing_vibes.training.data import TrainingData
from listing_vibes.training.distributed import Processes
from listing_vibes.training.optimize import Validate
from listing_vibes.training.photo_encoder import TrainedPhotos

#: Validation queries that are ranked, at most.
QUERIES = 1000


def validation(
    data: TrainingData,
    inputs: Inputs,
    settings: Resolved,
    photos: TrainedPhotos | None = None,
    recent: RecentEvents | None = None,
) -> Validate | None:
    """Return what measures recall@30, and its smooth form, over at most `QUERIES` of the validation queries; None without any.

    Args:
        inputs: of the log of `data`, without unwanted events where the model has not learned these.
        recent: where the loss knows what is recent, so does validation, by the same weight.
    """
    queries, log, training = data.split.valid, data.log, settings.training
    if not len(queries):
        return None
    if len(queries) > QUERIES:
        rng = np.random.default_rng([settings.seed, 2])
        queries = queries.take(np.sort(rng.choice(len(queries), QUERIES, replace=False)))
    needed = _needed(log, queries, data.catalogue)
    processes, late = Processes.launched(), LateInteraction.of(training)

    def gather(part: np.ndarray, count: int) -> np.ndarray:
        with torch.no_grad():
            return processes.gather(place(part, processes.device), count).cpu().numpy()

    def recall(model: ListingModel) -> tuple[float, float]:
        now = inputs if photos is None else photos.inputs(inputs, photos.encode_all(model, processes))
        part = encode_listings(model, now, needed[processes.mine(len(needed))], dtype=training.dtype)
        listings = np.zeros((log.listings, model.width), np.float32)  # (L, d), the others are no candidates
        listings[needed] = gather(part, len(needed))
        mine = queries.take(processes.mine(len(queries)))  # each process ranks its own
        start, end = mine.start, mine.end
        if log.has_negatives and not training.unwanted_learned:
            start, end = log.positives_before[start], log.positives_before[end]
        users = encode_histories(model, now, start, end, listings=listings, dtype=training.dtype)
        ranks = np.zeros(len(mine), np.int64)
        for rows, batch, allowed in batches(log, mine, data.catalogue, 256):
            scores = late.scores(users[rows], listings, listings, log, batch.start, batch.end)  # (B, L)
            if recent is not None:
                scores += recency_prior(recent.counts(batch.at), training.temperature / (1 + late.weight))
            ranks[rows] = pessimistic_ranks(scores, allowed, batch.target)
        ranks = gather(ranks, len(queries))
        # Nothing is at least as good as a target whose score is not a number, so that it would come before the first.
        if (ranks < 1).any() or not np.isfinite(spread(listings)):
            return float("nan"), float("nan")
        values = np.column_stack([ranks <= K, smooth_recall(ranks)])  # (Q, 2)
        hard, smooth = user_means(values, queries.user).mean(axis=0)
        return float(hard), float(smooth)

    return recall


def mean_validation(parts: Sequence[Validate | None]) -> Validate | None:
    """Return the mean over the markets that have something to validate on; None where none has."""
    measures = [part for part in parts if part is not None]
    if not measures:
        return None

    def validate(model: ListingModel) -> tuple[float, float]:
        hard, smooth = np.mean([measure(model) for measure in measures], axis=0)
        return float(hard), float(smooth)

    return validate


def spread(vectors: np.ndarray) -> float:
    """Return the difference of the least and the greatest number in vectors (L, d), without a copy; no number where one is none."""
    return float(vectors.max() - vectors.min())


def _needed(log: EventLog, queries: Queries, catalogue: Catalogue) -> np.ndarray:
    """(n,) the listings whose vectors decide the ranks of `queries`: active at one of their moments, in a history, or a target.

    All of them where unwanted events are weighed by the spread over all, and in leave-one-out, which does not ask when a
    listing was active.
    """
    if not (queries.masked and queries.live) or log.has_negatives:
        return np.arange(log.listings)
    needed = (catalogue.since <= queries.at.max()) & (catalogue.until > queries.at.min())
    needed[log.listing[ranges(queries.start, queries.length)]] = True
    needed[queries.target] = True
    return np.flatnonzero(needed)
