"""The model as a scorer of the evaluation."""

from core.market.log import EventLog
from core.run.run import Run
from core.scoring.scorer import VectorScorer


def model_scorer(run: Run, log: EventLog | None = None) -> VectorScorer:
    """The run's model, by the name that tables give it, for queries on `log` (None: the market's events).

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
