"""Every scorer without a training of its own, by the name that a grid gives it."""

from collections.abc import Callable

import numpy as np

from core.errors import VibesError
from core.features.content_spaces import content_spaces
from core.features.photos.vectors import PhotoVectors
from core.market.log import EventLog
from core.market.market import Market
from core.market.splits import Catalogue, Split
from core.scoring.baselines import (
    Als,
    Ease,
    ItemKNN,
    Popularity,
    RecentPopularity,
    VectorNeighbours,
    first_level,
)
from core.scoring.baselines.text_space import text_vectors
from core.scoring.baselines.tuning import best, validation_sample
from core.scoring.ranking import Scorer

NEIGHBOURS = {"attributes": "attribute neighbours", "photos": "photo neighbours", "text": "text neighbours"}


def named_baseline(
    name: str,
    market: Market,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    photos: PhotoVectors | None = None,
    seed: int = 0,
) -> Scorer:
    """The baseline called `name`, tuned on validation recall@30; `best-id` is whichever of the first level does best.

    Raises:
        VibesError: no event trains, the market lacks what the baseline looks at, or there is no such baseline.
    """
    context = (log, split, catalogue)
    choices: dict[str, Callable[[], Scorer]] = {
        "popularity": lambda: Popularity.fit(log, split.train),
        "recent-popularity": lambda: RecentPopularity.tune(*context, seed),
        "itemknn": lambda: ItemKNN.tune(*context, seed),
        "ease": lambda: Ease.tune(*context, seed),
        "als": lambda: Als.tune(*context, seed),
        "best-id": lambda: best(
            first_level(*context, seed=seed), log, validation_sample(split, seed), catalogue
        ),
    }
    for space, label in NEIGHBOURS.items():
        choices[label.replace(" ", "-")] = lambda space=space: neighbours(  # type: ignore[misc]
            space, market, *context, photos, seed
        )
    if name not in choices:
        raise VibesError(f"There is no baseline '{name}'; choose one of {', '.join(choices)}.")
    return choices[name]()


def neighbours(
    space: str,
    market: Market,
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    photos: PhotoVectors | None = None,
    seed: int = 0,
) -> VectorNeighbours:
    """Nearest neighbours of the history by attributes, photos or text, the recency weight tuned on validation.

    Raises:
        VibesError: the market has nothing in this space.
    """
    vectors: np.ndarray | None
    if space == "text":
        vectors = text_vectors(market, log.counts(split.train) > 0)
    else:
        vectors = content_spaces(market, photos).get(space)
    if vectors is None:
        raise VibesError(f"{market.path} has no {space}, so listings have no {NEIGHBOURS[space]}.")
    return VectorNeighbours.tune(vectors, log, split, catalogue, NEIGHBOURS[space], seed)
