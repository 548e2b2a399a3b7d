"""The scorers of a run: its model, its blends and untrained neighbors; and the fit of the default blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.cache import Cache
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Split, choosing
from listing_vibes.model.settings import BlendWeights, Resolved
from listing_vibes.progress import Report, silent
from listing_vibes.request_errors import RequestError
from listing_vibes.scoring.baselines import BASELINES
from listing_vibes.scoring.blend import ALONE, COVISITS, Blend, Moment, fit_blend, moments_of
from listing_vibes.scoring.content_ease import QUICK, ContentEase
from listing_vibes.scoring.interactions import IdModel, Interactions
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors, encode_untrained
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, MODEL_ONLY
from listing_vibes.scoring.scores import VectorScorer
from listing_vibes.scoring.tuning import DECAYS

if TYPE_CHECKING:
    from listing_vibes.run.engine import Engine
    from listing_vibes.run.run import Run

#: The space of neighbors by their name.
SPACES = {label: space for space, label in NEIGHBORS.items()}
#: Moments whose columns and masks are cached.
MOMENTS = 5


def engine_scorer(engine: Engine, listings: np.ndarray, log: EventLog, late: LateInteraction) -> VectorScorer:
    """Return the scorer of a model only, for queries on `log`, with its embeddings `listings` (L, d)."""
    vectors = listings.astype(np.float32, copy=False)
    return VectorScorer(MODEL_ONLY, vectors, partial(engine.encode_histories, listings=vectors), log, late)


def model_scorer(run: Run) -> VectorScorer:
    """Return the scorer of the run's model only.

    Raises:
        VibesError: the run has no model, or the market no longer has its listings.
    """
    return engine_scorer(run.engine, run.vectors("model"), run.log, run.late_interaction)


def space_scorer(run: Run, space: str) -> VectorScorer:
    """Return the scorer of histories by one space of a run: by its model, or by the mean of a history's listings."""
    if space == "model":
        return model_scorer(run)
    vectors = run.vectors(space)
    return VectorScorer(space, vectors, partial(encode_untrained, vectors), run.log)


def run_blend(
    run: Run, fit: BlendWeights, model: Scorer | None = None, train: np.ndarray | None = None
) -> Blend:
    """Return the blend of a run with the weights `fit`, for queries on its log.

    Args:
        model: the scorer of the feature "model"; None for a run without one.
        train: (N,) bool, the events that fit the id model, the whitening of texts and, without timestamps, recency; None for
            all wanted events, as in serving.

    Raises:
        VibesError: the run lacks a space of the blend, or its id model is unknown.
    """
    train = run.log.is_positive if train is None else train
    scorers: dict[str, Scorer] = {}
    for name in fit.weights:
        if name == "model" and model is not None:
            scorers[name] = model
        elif name in run.spaces and name in NEIGHBORS:
            vectors, known = run.vectors(name), run.index(name).known
            scorers[name] = VectorNeighbors(run.log, vectors, known, DECAYS[0], NEIGHBORS[name])
        elif name in NEIGHBORS:
            scorers[name] = VectorNeighbors.of(_vectors(run, name, train), run.log, name=NEIGHBORS[name])
        elif name == "ids":
            scorers[name] = _id_model(run, fit, train)
        elif name == COVISITS:
            spaces = {space: _vectors(run, space, train) for space in NEIGHBORS if fit.covisits.get(space)}
            scorers[name] = ContentEase.fit(spaces, run.log, train, run.catalogue, fit.covisits)
    if not any(weight for name, weight in fit.weights.items() if name not in scorers):
        return Blend(fit, scorers)
    moments = moments_of(run.log, train, run.catalogue).items()
    return Blend(fit, scorers, {name: _cached(part) for name, part in moments if fit.weights.get(name)})


def _vectors(run: Run, space: str, train: np.ndarray) -> np.ndarray:
    """Return the vectors (L, d) of a space, or of texts, whitened on the events `train` (N,) bool."""
    if space in run.spaces:
        return run.vectors(space)
    vectors = None
    if space == "text":
        # It loads pillow and more, for few runs.
        from listing_vibes.features.content_spaces import text_vectors

        vectors = text_vectors(run.market, run.log.counts(train) > 0)
    if vectors is None:
        raise RequestError("outdated_blend", run=run.label, what=f"{space} vectors")
    return vectors


def _id_model(run: Run, fit: BlendWeights, train: np.ndarray) -> IdModel:
    models = {item.name: item for item in BASELINES.values() if issubclass(item, IdModel)}
    if fit.ids not in models:
        raise RequestError("outdated_blend", run=run.label, what=f"the id model '{fit.ids}'")
    seed = run.manifest.settings.seed
    return models[fit.ids].again(Interactions.of(run.log, train), fit.id_settings, seed)


def _cached(moment: Moment) -> Moment:
    """Return a feature that caches its values (1, L) for queries that are all at one moment, as those of lists are."""
    cache: Cache[int, np.ndarray] = Cache(MOMENTS)

    def values(at: np.ndarray) -> np.ndarray:
        if not len(at) or (at != at[0]).any():
            return moment(at)
        return cache.get(int(at[0]), lambda: moment(at[:1]))

    return values


def default_ranking(run: Run, model: Scorer | None, split: Split) -> Scorer:
    """Return the default ranking of the run: `model`, as `model_scorer` returns it, with the default blend.

    A run without a model gives None, and has a blend. Without timestamps, only the training events of `split` count as recent or
    popular, never those of the test.
    """
    return run_blend(run, run.manifest.settings.blend or ALONE, model, split.train)


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
    names = [space for space in ("attributes", "photos") if space in spaces]
    content = {space: spaces[space].astype(np.float32, copy=False) for space in names}
    for space, vectors in content.items():
        scorers[space] = VectorNeighbors.of(vectors, log, name=NEIGHBORS[space])
    # Every process that makes lists fits it.
    if content and 0 < np.count_nonzero(log.counts(split.train)) <= QUICK:
        scorers[COVISITS] = ContentEase.tune(content, log, split, catalogue, settings.seed)
    if not scorers:
        return None
    moments = moments_of(log, split.train, catalogue)
    return fit_blend(
        DEFAULT_RANKING, scorers, moments, log, split, catalogue, settings.seed, needs_proof
    ).weights


def untrained_neighbors(
    run: Run, split: Split, report: Report = silent, tune: bool = True
) -> list[VectorNeighbors]:
    """Return the neighbors by every space except the model's, and by texts.

    Args:
        report: called with the progress of embedding texts that are not cached.
        tune: tune them on validation; features of a blend do not need it, see `neighbor_features`.
    """
    from listing_vibes.features.content_spaces import text_vectors
    from listing_vibes.scoring.attribute_weights import weights_in_words

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
