"""Recall on the validation queries, by which training selects the best weights."""

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
from listing_vibes.scoring.ranking import batches, pessimistic_ranks
from listing_vibes.scoring.ranking_metrics import smooth_recall, user_means
from listing_vibes.scoring.recency import RecentEvents, log_counts
from listing_vibes.training.distributed import Processes
from listing_vibes.training.examples import TrainingData
from listing_vibes.training.optimize import Validate
from listing_vibes.training.step import FrozenPhotos

#: The maximum number of validation queries.
QUERIES = 1000


def validation(
    parts: Sequence[tuple[TrainingData, Inputs]],
    settings: Resolved,
    photos: FrozenPhotos | None = None,
    recent: RecentEvents | None = None,
) -> Validate | None:
    """Return a function of recall@30 and smooth recall@30, means over the markets with validation queries; None without queries.

    `parts` are the data of each market, and the inputs of its log without unwanted events; `recent` is recency with the same weight
    as in the loss, if that has it.
    """
    measures = [
        _validation(data, inputs, settings, photos or FrozenPhotos(), recent)
        for data, inputs in parts
        if len(data.split.valid)
    ]
    if not measures:
        return None

    def validate(model: ListingModel) -> tuple[float, float]:
        hard, smooth = np.mean([measure(model) for measure in measures], axis=0)
        return float(hard), float(smooth)

    return validate


def _validation(
    data: TrainingData, inputs: Inputs, settings: Resolved, photos: FrozenPhotos, recent: RecentEvents | None
) -> Validate:
    """Return the function for one market, over at most `QUERIES` validation queries."""
    queries = data.split.valid.sample(QUERIES, np.random.default_rng([settings.seed, 2]))
    log, training = data.log, settings.training
    needed = _needed(log, queries, data.catalogue)
    processes, late = Processes.launched(), LateInteraction.of(training)

    def gather(part: np.ndarray, count: int) -> np.ndarray:
        with torch.no_grad():
            return processes.gather(place(part, processes.device), count).cpu().numpy()

    def recall(model: ListingModel) -> tuple[float, float]:
        now = photos.encoded(model, inputs, processes)
        part = encode_listings(model, now, needed[processes.mine(len(needed))], dtype=training.dtype)
        listings = np.zeros((log.listings, model.width), np.float32)  # (L, d); the others are not candidates
        listings[needed] = gather(part, len(needed))
        own_queries = queries.take(processes.mine(len(queries)))  # Each process ranks a part.
        start, end = log.positives_before(own_queries.start), log.positives_before(own_queries.end)
        users = encode_histories(model, now, start, end, listings=listings, dtype=training.dtype)
        ranks = np.zeros(len(own_queries), np.int64)
        for rows, batch, allowed in batches(log, own_queries, data.catalogue, 256):
            scores = late.scores(users[rows], listings, listings, log, batch.start, batch.end)  # (B, L)
            if recent is not None:
                scores += log_counts(recent.counts(batch.at)) * np.float32(
                    training.temperature / (1 + late.weight)
                )
            ranks[rows] = pessimistic_ranks(scores, allowed, batch.target)
        ranks = gather(ranks, len(queries))
        # No score compares with NaN, so a target with a NaN score would rank first.
        if (ranks < 1).any() or not np.isfinite(spread(listings)):
            return float("nan"), float("nan")
        values = np.column_stack([ranks <= K, smooth_recall(ranks)])  # (Q, 2)
        hard, smooth = user_means(values, queries.user).mean(axis=0)
        return float(hard), float(smooth)

    return recall


def spread(vectors: np.ndarray) -> float:
    """Return the range of the numbers in vectors (L, d), without a copy; NaN if one is not finite."""
    return float(vectors.max() - vectors.min())


def _needed(log: EventLog, queries: Queries, catalogue: Catalogue) -> np.ndarray:
    """Return the listings (n,) that affect the ranks of `queries`: active at one of their moments, in a history, or a target.

    These are all listings with unwanted events, whose penalty depends on all scores, and in leave-one-out, where all are candidates.
    """
    if not (queries.masked and queries.live) or log.has_negatives:
        return np.arange(log.listings)
    needed = (catalogue.since <= queries.at.max()) & (catalogue.until > queries.at.min())
    needed[log.listing[ranges(queries.start, queries.length)]] = True
    needed[queries.target] = True
    return np.flatnonzero(needed)
