"""Linear probes (Alain & Bengio 2016, arXiv 1610.01644): how well a number is predicted from a space, such as the price.

A ridge regression predicts the number from the vectors of photos, cross-validated.
"""

from contextlib import suppress
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import bootstrap_means, interval
from listing_vibes.insight.map.vibe_map import embeddings_of
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.documents import write_text
from listing_vibes.run.run import Run

#: Of the ridge; one is chosen for all folds, which costs a fifth of a choice within each.
PENALTIES = np.logspace(-1, 4, 11)
ORDERS = 10.0  # a positive number that spans more than this is predicted by its logarithm
FEWEST = 20  # listings with the number
FOLDS = 5
FILE = "photo_probes.json"
_STORED = TypeAdapter(
    tuple[str, list[tuple[str, float, float, float]]]
)  # the digest of what they are of, and the rows


def probe_market(run: Run) -> list[tuple[str, float, float, float]]:
    """Return (attribute, R2, low, high) of every number of the market predicted from photos, the best first; cached with the run.

    Raises:
        VibesError: the run has no photo space.
    """
    if "photos" not in run.spaces:
        raise VibesError("This run has no photo space; train or embed it with photos first.")
    digest = f"{embeddings_of(run)} {run.market.fingerprint}"
    try:
        stored, rows = _STORED.validate_json(run_cache_file(run.path, FILE).read_bytes())
    except (OSError, ValidationError):
        stored, rows = "", []
    if stored == digest:
        return rows
    rows, vectors = [], run.vectors("photos")
    for item in run.market.attributes:
        if item.shown_as != "number":
            continue
        with suppress(VibesError):  # too few listings have it
            result = probe("photos", vectors, run.market.listings[item.name].to_numpy(float, na_value=np.nan))
            rows.append((item.name, result["value"], result["low"], result["high"]))
    rows.sort(key=lambda row: -row[1])
    with suppress(VibesError):  # without a cache that can be written they are computed again
        write_text(run_cache(run.path) / FILE, _STORED.dump_json((digest, rows)).decode())
    return rows


def probe(space: str, vectors: np.ndarray, values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Predict the numbers `values` (N,) of listings from their `vectors` (N, d), and return a row of `probe_market`.

    Listings without the number or with a zero vector are left out. Positive numbers that span more than a factor of ten are
    predicted by their logarithm. R2 of a constant prediction is 0.

    Raises:
        VibesError: fewer than 20 listings have the number, or all the same one.
    """
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import KFold, cross_val_predict

    usable = np.isfinite(values) & np.any(vectors != 0, axis=1)
    target, inputs = values[usable], np.asarray(vectors[usable], np.float64)
    if len(target) < FEWEST or len(np.unique(target)) < 2:
        raise VibesError(
            f"Only {len(target)} listings of the space '{space}' have the number ({len(np.unique(target))} different ones); a "
            f"probe needs {FEWEST} and two."
        )
    if target.min() > 0 and np.quantile(target, 0.99) > ORDERS * np.quantile(target, 0.01):
        target = np.log(target)
    # One scale for all columns: a column that hardly varies says hardly anything.
    inputs = (inputs - inputs.mean(axis=0)) / (np.sqrt(inputs.var(axis=0).mean()) or 1.0)
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    penalty = RidgeCV(PENALTIES).fit(inputs, target).alpha_
    predicted = cross_val_predict(Ridge(penalty), inputs, target, cv=folds)
    columns = np.column_stack([np.square(target - predicted), target, np.square(target)])

    def r2(means: np.ndarray) -> np.ndarray:
        error, value, square = means.T
        return np.asarray(1 - error / np.maximum(square - value**2, 1e-12))

    low, high = interval(r2(bootstrap_means(columns, seed=seed))[:, None])
    value = float(r2(columns.mean(axis=0, keepdims=True))[0])
    row = {"value": value, "low": float(low[0]), "high": float(high[0])}
    return {"space": space, **row, "listings": len(target)}
