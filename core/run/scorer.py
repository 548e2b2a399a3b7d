"""The model as a scorer of the evaluation: cosine of a history's vector to every listing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.market.log import EventLog
from core.market.splits import Queries
from core.run.run import Run


@dataclass(frozen=True, eq=False)
class VectorScorer:
    """Scores (B, L) = histories (B, d) @ listings (L, d); the histories are those of the queries, nothing else."""

    name: str
    listings: np.ndarray  # (L, d) float32
    encode: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (start, end) -> (B, d)

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32 cosine."""
        return self.encode(batch.start, batch.end) @ self.listings.T


def model_scorer(run: Run, log: EventLog | None = None) -> VectorScorer:
    """The run's model, by the name that tables give it, for queries on `log` (None: the market's events).

    Raises:
        VibesError: the run has no model, or it was made from other listings than the market has now.
    """
    engine, asked = run.engine, run.log if log is None else log
    return VectorScorer(
        "model", run.vectors("model"), lambda start, end: engine.encode_histories(asked, start, end)
    )
