"""The default blend of a run, which is fitted when its market is embedded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split, choosing
from listing_vibes.model.settings import BlendWeights, Resolved
from listing_vibes.run.engine import Engine
from listing_vibes.scoring.blend import fit_blend, moments_of
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY
from listing_vibes.scoring.scorer import VectorScorer


def engine_scorer(engine: Engine, listings: np.ndarray, log: EventLog, late: LateInteraction) -> VectorScorer:
    """Return the scorer of a model only, for queries on `log`, with its embeddings `listings` (L, d)."""
    vectors = listings.astype(np.float32, copy=False)
    return VectorScorer(
        MODEL_ONLY, vectors, lambda start, end: engine.encode_histories(log, start, end, vectors), log, late
    )


def default_weights(
    engine: Engine | None,
    settings: Resolved,
    spaces: Mapping[str, np.ndarray],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
) -> BlendWeights | None:
    """Return the weights of the default blend, fitted on validation queries; None without a query or a space.

    Its features are the model if there is one, neighbors by attributes and photos, and those of listings at a moment.

    Args:
        engine: the model; None without one.
        spaces: vectors (L, d) by space, among them those of the model.
    """
    if not len(choosing(split, log, catalogue).valid):
        return None
    scorers: dict[str, Scorer] = {}
    if engine is not None:
        late = LateInteraction.of(settings.training)
        scorers["model"] = engine_scorer(engine, spaces["model"], log, late)
    for space in ("attributes", "photos"):
        if space in spaces:
            scorers[space] = VectorNeighbors.of(spaces[space].astype(np.float32), log, name=NEIGHBORS[space])
    if not scorers:
        return None
    moments = moments_of(log, split.train, catalogue)
    return fit_blend(DEFAULT_RANKING, scorers, moments, log, split, catalogue, settings.seed).weights
