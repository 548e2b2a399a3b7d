"""The scorers of a run for the evaluation: its model, its default ranking and untrained neighbors."""

from collections.abc import Sequence
from dataclasses import replace

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Split
from listing_vibes.progress import Report
from listing_vibes.run.default_blend import engine_scorer
from listing_vibes.run.run import Run
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING
from listing_vibes.scoring.scorer import Renamed, VectorScorer
from listing_vibes.scoring.text_space import text_vectors
from listing_vibes.scoring.tuning import DECAYS


def model_scorer(run: Run, log: EventLog | None = None) -> VectorScorer:
    """Return the scorer of the run's model only, for queries on `log` (None: the market's events).

    Raises:
        VibesError: the run has no model, or the market no longer has its listings.
    """
    return engine_scorer(
        run.engine, run.vectors("model"), run.log if log is None else log, run.late_interaction
    )


def default_ranking(run: Run, model: Scorer | None, split: Split) -> Scorer:
    """Return the default ranking of the run: `model`, as `model_scorer` returns it, with the default blend.

    A run without a model gives None, and has a blend. Without timestamps, only the training events of `split` count as recent or
    popular, never those of the test.
    """
    if run.manifest.settings.blend is not None:
        return RunBlend(run, run.manifest.settings.blend, split.train).scorer(model, run.log)
    assert model is not None
    return Renamed(DEFAULT_RANKING, model)


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


def neighbor_features(neighbors: Sequence[VectorNeighbors]) -> dict[str, Scorer]:
    """Return neighbors by their space, with the decay that blends use."""
    spaces = {label: space for space, label in NEIGHBORS.items()}
    return {spaces[item.name]: replace(item, decay=DECAYS[0], nearest=False) for item in neighbors}
