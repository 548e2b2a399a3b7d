"""The model as a scorer of the evaluation."""

from core.market.log import EventLog
from core.run.additions import Additions
from core.run.fits import trained_beside
from core.run.run import Run
from core.scoring.ranking import Scorer
from core.scoring.scorer import VectorScorer


def model_scorer(run: Run, log: EventLog | None = None) -> VectorScorer:
    """The run's model alone, by the name that tables give it, for queries on `log` (None: the market's events).

    Raises:
        VibesError: the run has no model, or it was made from other listings than the market has now.
    """
    engine, asked = run.engine, run.log if log is None else log
    return VectorScorer(
        "model",
        run.vectors("model"),
        lambda start, end: engine.encode_histories(asked, start, end),
        asked,
        run.late_interaction,
    )


def as_served(run: Run, model: Scorer) -> Scorer:
    """The run's `model`, as `model_scorer` gives it, with the recency that it was trained beside: as its lists are."""
    fit = trained_beside(run.manifest.settings)
    return model if fit is None else Additions(run, fit).scorer(model, run.log)
