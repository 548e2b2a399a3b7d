"""`vibes evaluate`: a run's model beside the baselines, on the same queries and candidates."""

import json
from collections.abc import Callable

from core.errors import VibesError
from core.evaluation.baselines import VectorNeighbours, first_level
from core.evaluation.protocol import evaluate
from core.evaluation.ranking import Scorer
from core.evaluation.result import Evaluation
from core.market.io import atomic_path
from core.market.splits import Protocol, make_split
from core.retrieval.run import Run
from core.retrieval.scorer import VectorScorer


def evaluate_run(
    run: Run, protocol: Protocol | None = None, progress: Callable[[str, int, int], None] | None = None
) -> Evaluation:
    """The model, the five first-level baselines, and neighbours in the spaces attributes and photos.

    The split is the one that the model was trained with; another protocol than that of the training would test the
    model on what it has seen.

    Raises:
        VibesError: the market has no events, or `protocol` is not that of the training.
    """
    log, catalogue, settings = run.log, run.catalogue, run.manifest.settings
    if not len(log):
        raise VibesError(
            f"{run.market.path} has no events, so there is nothing to evaluate on; add an events table."
        )
    trained = settings.split.protocol
    if run.has_model and protocol is not None and trained is not None and protocol != trained:
        raise VibesError(
            f"{run.path} was trained for the protocol {trained}; evaluated as {protocol} it would be asked about events "
            f"that it learned from. Train another run with --protocol {protocol}."
        )
    split = make_split(log, catalogue, protocol or trained, settings.split.t1, settings.split.t2)
    scorers: list[Scorer] = []
    if run.has_model:
        engine = run.engine
        scorers.append(
            VectorScorer(
                "model", run.vectors("model"), lambda start, end: engine.encode_histories(log, start, end)
            )
        )
    scorers += first_level(log, split, catalogue, progress, settings.seed)
    for space in ("attributes", "photos"):
        if space in run.spaces:
            name = {"attributes": "attribute neighbours", "photos": "photo neighbours"}[space]
            scorers.append(
                VectorNeighbours.tune(run.vectors(space), log, split, catalogue, name, settings.seed)
            )
    return evaluate(scorers, log, split, catalogue, seed=settings.seed, progress=progress)


def save_metrics(run: Run, evaluation: Evaluation) -> None:
    """Write `metrics.json` into the run folder."""
    with atomic_path(run.path / "metrics.json") as temporary:
        temporary.write_text(json.dumps(evaluation.to_dict(), indent=1), encoding="utf-8")
