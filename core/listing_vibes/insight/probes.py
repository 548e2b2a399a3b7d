"""Linear probes (Alain & Bengio 2016, arXiv 1610.01644): how well a number is predicted from a space, such as the price.

A ridge regression predicts the number from a space's vectors, cross-validated. The attributes space is that of the other
attributes: the number itself would give the answer away.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import bootstrap_means, interval
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run

#: Of the ridge; one is chosen for all folds, which costs a fifth of a choice within each.
PENALTIES = np.logspace(-1, 4, 11)
ORDERS = 10.0  # a positive number that spans more than this is predicted by its logarithm
FEWEST = 20  # listings with the number
FOLDS = 5


def probe_run(run: Run, question: str) -> pd.DataFrame:
    """Predict a number of the market, the attribute `question`, from every space of a run.

    Returns:
        One row a space: `space, value, low, high, listings`; the value is R2, with its 95 % interval over listings.

    Raises:
        VibesError: the attribute is not numeric, or fewer than 20 listings have it.
    """
    market = run.market
    if question not in [item.name for item in market.attributes if item.shown_as == "number"]:
        raise VibesError(f"'{question}' is not a numeric attribute of {market.path}; name another attribute.")
    spaces = {name: run.vectors(name) for name in run.spaces if name != "attributes"}
    spaces["attributes"] = attributes_without(market, question)
    values = market.listings[question].to_numpy(float, na_value=np.nan)
    return pd.DataFrame([probe(space, vectors, values) for space, vectors in spaces.items()])


def attributes_without(market: Market, question: str) -> np.ndarray:
    """Return the attributes space (L, d) of a market that lacks the attribute `question`."""
    from listing_vibes.features.content_spaces import content_spaces

    rest = [item for item in market.attributes if item.name != question]
    if not rest:
        return np.zeros((len(market.listings), 1), np.float32)
    return content_spaces(replace(market, attributes=rest), None)["attributes"]


def probe(space: str, vectors: np.ndarray, values: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Predict the numbers `values` (N,) of listings from their `vectors` (N, d), and return a row of `probe_run`.

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
