"""The scorers of a run for the evaluation: its model, its default ranking and untrained neighbors."""

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Split
from listing_vibes.progress import Report
from listing_vibes.run.engine import Engine, ListingCache
from listing_vibes.run.fits import default_fit
from listing_vibes.run.run import Run
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.scoring.blend import Blend
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY
from listing_vibes.scoring.scorer import VectorScorer
from listing_vibes.scoring.text_space import text_vectors


def model_scorer(run: Run, log: EventLog | None = None) -> VectorScorer:
    """Return the scorer of the run's model only, for queries on `log` (None: the market's events).

    Raises:
        VibesError: the run has no model, or the market no longer has its listings.
    """
    return engine_scorer(
        run.engine, run.vectors("model"), run.log if log is None else log, run.late_interaction
    )


def engine_scorer(engine: Engine, listings: np.ndarray, log: EventLog, late: LateInteraction) -> VectorScorer:
    """Return the scorer of a model only, for queries on `log`, with its embeddings `listings` (L, d)."""
    once = ListingCache(engine)
    return VectorScorer(
        MODEL_ONLY, listings, lambda start, end: engine.encode_histories(log, start, end, once), log, late
    )


def default_ranking(run: Run, model: Scorer) -> Scorer:
    """Return the default ranking of the run: `model`, as `model_scorer` returns it, with the default blend."""
    fit = default_fit(run.manifest.settings)
    return Blend(DEFAULT_RANKING, model) if fit is None else RunBlend(run, fit).scorer(model, run.log)


def untrained_neighbors(run: Run, split: Split, report: Report | None = None) -> list[VectorNeighbors]:
    """Return the neighbors by every space except the model's, and by texts, tuned on validation.

    Args:
        report: called with the progress of embedding texts that are not cached.
    """
    log, catalogue, seed = run.log, run.catalogue, run.manifest.settings.seed
    spaces = {space: run.vectors(space) for space in NEIGHBORS if space in run.spaces}
    texts = text_vectors(run.market, log.counts(split.train) > 0, report=report)
    if texts is not None:
        spaces["text"] = texts
    return [
        VectorNeighbors.tune(vectors, log, split, catalogue, NEIGHBORS[space], seed)
        for space, vectors in spaces.items()
    ]
