"""The model as a scorer of the evaluation."""

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Split
from listing_vibes.progress import Report
from listing_vibes.run.engine import EncodedOnce, Engine
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
    """The run's model with nothing added, by the name that tables give it, for queries on `log` (None: the market's events).

    Raises:
        VibesError: the run has no model, or it was made from other listings than the market has now.
    """
    return engine_scorer(
        run.engine, run.vectors("model"), run.log if log is None else log, run.late_interaction
    )


def engine_scorer(engine: Engine, listings: np.ndarray, log: EventLog, late: LateInteraction) -> VectorScorer:
    """A model alone, for queries on `log`, by its embeddings of `listings` (L, d)."""
    once = EncodedOnce(engine)
    return VectorScorer(
        MODEL_ONLY, listings, lambda start, end: engine.encode_histories(log, start, end, once), log, late
    )


def default_ranking(run: Run, model: Scorer) -> Scorer:
    """The default ranking of the run: its `model`, as `model_scorer` gives it, with the default blend."""
    fit = default_fit(run.manifest.settings)
    return Blend(DEFAULT_RANKING, model) if fit is None else RunBlend(run, fit).scorer(model, run.log)


def untrained_neighbors(run: Run, split: Split, report: Report | None = None) -> list[VectorNeighbors]:
    """Return the neighbors by every space that the run has without a model, and by its texts, tuned on validation.

    Args:
        report: gets the progress of texts that were never embedded.
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
