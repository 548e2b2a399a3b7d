"""All baselines by their names in a grid."""

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import content_spaces, text_vectors
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Split, choosing
from listing_vibes.scoring.attribute_weights import weighted_attributes
from listing_vibes.scoring.baselines import BASELINES, first_level, in_order, tuned
from listing_vibes.scoring.content_ease import ContentEase
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_metrics import CONTENT_EASE
from listing_vibes.scoring.tuning import best, validation_sample

#: The space of neighbors by their name in a grid.
BY_SPACE = {label.replace(" ", "-"): space for space, label in NEIGHBORS.items()}


#: Content EASE by its name in a grid.
BY_CONTENT = CONTENT_EASE.lower().replace(" ", "-")


def baseline_names() -> tuple[str, ...]:
    """Return all names that `named_baseline` takes."""
    return ("best-id", *in_order(), *BY_SPACE, BY_CONTENT)


def named_baseline(
    name: str,
    market: Market,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    photos: PhotoVectors | None = None,
    seed: int = 0,
) -> Scorer:
    """Return the baseline `name`, tuned on validation recall@30; `best-id` is the best of the first level.

    Raises:
        VibesError: no event trains, the market has no data for the baseline, or there is no such baseline.
    """
    if name == "best-id":
        query = choosing(split, log, catalogue)
        first = first_level(log, query, catalogue, seed=seed)
        chosen = best(first, log, validation_sample(query, seed, log.listings), catalogue)
        return chosen if query is split else chosen.fitted_on(log, split.train, seed)
    if name in BASELINES:
        return tuned(BASELINES[name], log, split, catalogue, seed)
    if name not in (*BY_SPACE, BY_CONTENT):
        raise VibesError(f"There is no baseline '{name}'; choose one of {', '.join(baseline_names())}.")
    spaces: dict[str, np.ndarray] = {}
    if name != "text-neighbors":
        attributes = weighted_attributes(market, log, split, catalogue, {}, seed)
        spaces |= content_spaces(market, photos, attributes=attributes)
    if name in ("text-neighbors", BY_CONTENT):
        vectors = text_vectors(market, log.counts(split.train) > 0)
        spaces |= {} if vectors is None else {"text": vectors}
    if name == BY_CONTENT and spaces:
        content = {space: spaces[space] for space in NEIGHBORS if space in spaces}
        return ContentEase.tune(content, log, split, catalogue, seed)
    space = BY_SPACE.get(name, "content")
    if space not in spaces:
        raise VibesError(
            f"{market.path} has no {space}, so there are no {name.replace('-', ' ')}; choose another baseline."
        )
    return VectorNeighbors.tune(spaces[space], log, split, catalogue, NEIGHBORS[space], seed)
