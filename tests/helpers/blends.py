"""Blends with given weights of raw features, instead of fitted ones."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from listing_vibes import Run
from listing_vibes.insight.occlusion import NEWEST, occlude_history
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.histories import of_histories
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, blend_name

#: An id model and its settings, for the feature "ids".
KNN = {"ids": "ItemKNN", "id_settings": {"shrink": 20.0, "decay": 0.9}}


def fixed_blend(added: str = "", id_model: dict | None = None, **weights: float) -> BlendWeights:
    """Return the model plus weight x feature for each of `weights`, named for `--blend added`; by default the default ranking."""
    weights = {"model": 1.0, **weights}
    name = blend_name(*added.split("+")) if added else DEFAULT_RANKING
    return BlendWeights(name=name, weights=weights, scales=dict.fromkeys(weights, 1.0), **(id_model or {}))


def carried(run: Run, history: pd.DataFrame, listings: Sequence[str], newest: int = NEWEST) -> np.ndarray:
    """(E, K) by event and listing; rows of events that were not tried are 0."""
    log = of_histories(run, [history]).log
    scores, tried, *_ = occlude_history(run, log, 0, len(log), newest)
    rows = [run.row(listing) for listing in listings]
    found = np.zeros((len(log), len(listings)), np.float32)
    found[tried] = scores[0, rows] - scores[1:][:, rows]
    return found
