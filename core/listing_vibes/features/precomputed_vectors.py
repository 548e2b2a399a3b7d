"""Precomputed vectors of a market as the model reads them: each like a further photo encoder with one token for each listing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.reduce import Reducer
from listing_vibes.market.market import Market
from listing_vibes.market.precomputed_vectors import precomputed_vectors

PhotoRows = list[list[np.ndarray]]


def fit_vectors(market: Market, config: FeatureConfig, width: int, rows: np.ndarray) -> dict[str, Reducer]:
    """Fit a reducer for each of the market's precomputed vectors with `tokens = true`, on the listings `rows` (n,).

    Raises:
        VibesError: the vectors cannot be used, or the model also trains a photo encoder.
    """
    fitted = {}
    for name in [name for name, item in market.config.vectors.items() if item.tokens and config.vectors]:
        if config.photo_train_blocks:
            raise VibesError(
                f"features.photo_train_blocks cannot be combined with tokens of [vectors.{name}]; set features.photo_train_blocks "
                "to 0, or tokens to false."
            )
        vectors = precomputed_vectors(market, name)
        available = np.zeros((0, 1)) if vectors is None else vectors[rows][vectors[rows].any(axis=1)]
        if len(available) > 1:
            fitted[name] = Reducer.fit(available, width)
    return fitted


def with_vectors(
    market: Market, reducers: Mapping[str, Reducer], rows: PhotoRows, photo: np.ndarray
) -> tuple[PhotoRows, np.ndarray]:
    """Return the rows (L,) of photo tokens by view and their vectors (P, width), with a further view for each of `reducers`.

    Raises:
        VibesError: the market's vectors have another width than the fitted ones.
    """
    for name, reducer in reducers.items():
        vectors = precomputed_vectors(market, name, complete=False) if name in market.config.vectors else None
        if vectors is None:  # another market, or a new listing that is in no table
            rows = [*rows, []]
            continue
        if vectors.shape[1] != len(reducer.mean):
            raise VibesError(
                f"The vectors '{name}' of {market.path} have the width {vectors.shape[1]}, but the model needs {len(reducer.mean)}; give vectors "
                "of the same encoder, or train the run again."
            )
        has = vectors.any(axis=1)  # (L,)
        rows = [*rows, [np.where(has, len(photo) + np.cumsum(has) - 1, -1).astype(np.int32)]]
        photo = np.concatenate([photo, reducer.transform(vectors[has])])
    return rows, photo
