"""The scorers of a run: its model, its default ranking and untrained neighbors; and the fit of the default blend."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split, choosing
from listing_vibes.model.settings import BlendWeights, Resolved
from listing_vibes.progress import Report, silent
from listing_vibes.run.engine import Engine
from listing_vibes.run.run import Run
from listing_vibes.run.run_blend import RunBlend
from listing_vibes.scoring.attribute_weights import weights_in_words
from listing_vibes.scoring.blend import ALONE, COVISITS, Blend, fit_blend, moments_of
from listing_vibes.scoring.content_ease import QUICK, ContentEase
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY
from listing_vibes.scoring.scorer import VectorScorer
from listing_vibes.scoring.text_space import text_vectors
from listing_vibes.scoring.tuning import DECAYS

#: The space of neighbors by their name.
SPACES = {label: space for space, label in NEIGHBORS.items()}


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
    needs_proof: bool = True,
) -> BlendWeights | None:
    """Return the weights of the default blend, fitted on validation queries; None without a query or a space.

    Its features are the model if there is one, neighbors by attributes and photos, content EASE if validation proves it, and those of
    listings at a moment.

    Args:
        engine: the model; None without one.
        spaces: vectors (L, d) by space, among them those of the model.
        needs_proof: leave content EASE out unless validation proves it.
    """
    if not len(choosing(split, log, catalogue).valid):
        return None
    scorers: dict[str, Scorer] = {}
    if engine is not None:
        late = LateInteraction.of(settings.training)
        scorers["model"] = engine_scorer(engine, spaces["model"], log, late)
    content = {
        space: spaces[space].astype(np.float32, copy=False)
        for space in ("attributes", "photos")
        if space in spaces
    }
    for space, vectors in content.items():
        scorers[space] = VectorNeighbors.of(vectors, log, name=NEIGHBORS[space])
    if (
        content and 0 < np.count_nonzero(log.counts(split.train)) <= QUICK
    ):  # Every process that lists fits it.
        scorers[COVISITS] = ContentEase.tune(content, log, split, catalogue, settings.seed)
    if not scorers:
        return None
    moments = moments_of(log, split.train, catalogue)
    return fit_blend(
        DEFAULT_RANKING, scorers, moments, log, split, catalogue, settings.seed, needs_proof
    ).weights


def model_scorer(run: Run) -> VectorScorer:
    """Return the scorer of the run's model only.

    Raises:
        VibesError: the run has no model, or the market no longer has its listings.
    """
    return engine_scorer(run.engine, run.vectors("model"), run.log, run.late_interaction)


def default_ranking(run: Run, model: Scorer | None, split: Split) -> Scorer:
    """Return the default ranking of the run: `model`, as `model_scorer` returns it, with the default blend.

    A run without a model gives None, and has a blend. Without timestamps, only the training events of `split` count as recent or
    popular, never those of the test.
    """
    if run.manifest.settings.blend is not None:
        return RunBlend(run, run.manifest.settings.blend, split.train).scorer(model, run.log)
    assert model is not None
    return Blend(ALONE, {"model": model})


def untrained_neighbors(
    run: Run, split: Split, report: Report = silent, tune: bool = True
) -> list[VectorNeighbors]:
    """Return the neighbors by every space except the model's, and by texts.

    Args:
        report: called with the progress of embedding texts that are not cached.
        tune: tune them on validation; features of a blend do not need it, see `neighbor_features`.
    """
    log, catalogue, seed = run.log, run.catalogue, run.manifest.settings.seed
    spaces = {space: run.vectors(space) for space in NEIGHBORS if space in run.spaces}
    texts = text_vectors(run.market, log.counts(split.train) > 0, report=report)
    if texts is not None:
        spaces["text"] = texts
    if not tune:
        return [VectorNeighbors.of(vectors, log, name=NEIGHBORS[space]) for space, vectors in spaces.items()]
    tuned = [
        VectorNeighbors.tune(vectors, log, split, catalogue, NEIGHBORS[space], seed)
        for space, vectors in spaces.items()
    ]
    weights = weights_in_words(run.market, run.manifest.attribute_weights)
    return [
        replace(item, weights=weights) if item.name == NEIGHBORS["attributes"] else item for item in tuned
    ]


def tuned_content_ease(run: Run, neighbors: Sequence[VectorNeighbors], split: Split) -> ContentEase:
    """Return content EASE by the spaces of `neighbors`, tuned on validation."""
    spaces = {SPACES[item.name]: item.vectors for item in neighbors}
    return ContentEase.tune(spaces, run.log, split, run.catalogue, run.manifest.settings.seed)


def neighbor_features(neighbors: Sequence[VectorNeighbors]) -> dict[str, Scorer]:
    """Return neighbors by their space, with the decay that blends use."""
    return {SPACES[item.name]: replace(item, decay=DECAYS[0], nearest=False) for item in neighbors}
