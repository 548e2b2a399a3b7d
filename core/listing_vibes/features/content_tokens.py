"""The tokens of a listing's vectors: its photos, the precomputed vectors that the market brings, and its texts, each reduced to the
model's width; `listing_vibes.features.texts.sources` has the encoders of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.features.reduce import Reducer
from listing_vibes.features.texts.sources import TEXT_SOURCES, TextSource
from listing_vibes.features.tokens.tabular import ViewRows
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.precomputed_vectors import precomputed_vectors
from listing_vibes.progress import Report, silent
from listing_vibes.words import is_latin


@dataclass(frozen=True, eq=False)
class VectorView:
    """The n vectors of one encoder, each of a listing and with its rank among the listing's vectors."""

    table: np.ndarray  # (P, w) all vectors
    row: np.ndarray  # (n,) rows of `table`
    owner: np.ndarray  # (n,) rows of the listings
    position: np.ndarray  # (n,)

    def take(self, chosen: np.ndarray) -> np.ndarray:
        """Return the `chosen` vectors as float32."""
        return np.asarray(self.table[self.row[chosen]], np.float32)


def photo_view(market: Market, config: FeatureConfig, photos: PhotoVectors | None) -> VectorView | None:
    """Return the photo vectors that get tokens; None where there are none.

    Raises:
        VibesError: the configuration has another encoder.
    """
    if photos is None or not config.photos or not photos.ok.any():
        return None
    if not photos.encoder.startswith(config.photo_encoder):
        raise VibesError(
            f"features.photo_encoder is {config.photo_encoder}, but the photo vectors are of {photos.encoder}; leave out "
            "--encoder, or give the same."
        )
    row = np.flatnonzero(photos.ok)
    owner = market.photos[C.LISTING].map(market.listing_row).iloc[row]
    position = owner.groupby(owner).cumcount()
    return VectorView(photos.vectors, row, owner.to_numpy(int), position.to_numpy(int))


def precomputed_views(
    market: Market, config: FeatureConfig, reducers: Mapping[str, Reducer] | None = None
) -> dict[str, VectorView]:
    """Return the precomputed vectors of a market that a model reads as tokens, by their name in `market.toml`.

    Without the `reducers` fitted in training these are all vectors with `tokens = true`.

    Raises:
        VibesError: a file of vectors is invalid, their width differs from training's, or the model also trains a photo encoder.
    """
    views = {}
    for name, item in market.config.vectors.items():
        if not (config.vectors and item.tokens if reducers is None else name in reducers):
            continue
        if config.photo_train_blocks:
            raise VibesError(
                f"features.photo_train_blocks cannot be combined with tokens of [vectors.{name}]; set features.photo_train_blocks "
                "to 0, or tokens to false."
            )
        vectors = precomputed_vectors(market, name, complete=reducers is None)
        if vectors is None:  # a new listing that is in no table
            continue
        if reducers is not None and vectors.shape[1] != len(reducers[name].mean):
            raise VibesError(
                f"The vectors '{name}' of {market.path} have the width {vectors.shape[1]}, but the model needs {len(reducers[name].mean)}; "
                "give vectors of the same encoder, or train the run again."
            )
        owner = np.flatnonzero(vectors.any(axis=1))
        views[name] = VectorView(vectors, owner, owner, np.zeros(len(owner), int))
    return views


def _fit_view(views: Sequence[VectorView], rows: Sequence[np.ndarray], width: int) -> Reducer | None:
    """Fit a reducer on the vectors of the listings `rows` (n,) of each market; None where none has a vector."""
    chosen = [np.isin(view.owner, mine) for view, mine in zip(views, rows, strict=True)]
    if sum(mine.sum() for mine in chosen) < 2:
        chosen = [np.ones(len(view.row), bool) for view in views]
    parts = [view.take(mine) for view, mine in zip(views, chosen, strict=True)]
    vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
    # Not whitened, which would amplify what is unique to a photo (room types by nearest neighbor: .978 to .940).
    return Reducer.fit(vectors, width) if len(vectors) else None


def fit_photos(
    markets: Sequence[Market],
    config: FeatureConfig,
    width: int,
    rows: Sequence[np.ndarray],
    photos: Sequence[PhotoVectors | None],
) -> tuple[str, Reducer | None]:
    """Return the name of the markets' photo encoder, and the reducer of its vectors, fitted on the training listings `rows` (n,) of
    each market; "" and None where there is no photo to read.

    Raises:
        VibesError: the photos of two markets have different encoders.
    """
    given = {item.encoder: market for market, item in zip(markets, photos, strict=True) if item is not None}
    if len(given) > 1:
        (name, first), (other, second), *_ = given.items()
        raise VibesError(
            f"The photos of {first.path} are embedded by '{name}', those of {second.path} by '{other}'; name one with --encoder."
        )
    views = [photo_view(market, config, item) for market, item in zip(markets, photos, strict=True)]
    available = [view for view in views if view is not None]
    known = [mine for view, mine in zip(views, rows, strict=True) if view is not None]
    reducer = _fit_view(available, known, width) if available else None
    return (next(iter(given)) if reducer is not None else ""), reducer


def fit_precomputed(
    market: Market, config: FeatureConfig, width: int, rows: np.ndarray
) -> dict[str, Reducer]:
    """Return a reducer for each of the market's precomputed vectors with tokens, fitted on the listings `rows` (n,)."""
    views = precomputed_views(market, config)
    fitted = {name: _fit_view([view], [rows], width) for name, view in views.items()}
    return {name: reducer for name, reducer in fitted.items() if reducer is not None}


def photos_used(market: Market, config: FeatureConfig, photos: PhotoVectors) -> np.ndarray:
    """Return (P,) the photos table's row of each photo vector that `gather_views` returns."""
    view = photo_view(market, config, photos)
    return np.zeros(0, np.int64) if view is None else view.row[view.position < config.photos]


def gather_views(
    views: Sequence[tuple[VectorView | None, Reducer, int]], width: int
) -> tuple[list[ViewRows], np.ndarray]:
    """Reduce the vectors of views, each with its reducer and its most tokens for a listing.

    Returns:
        The rows of each view; and (P, width) float32 vectors.
    """
    rows: list[ViewRows] = []
    tables = [np.zeros((0, width), np.float32)]
    first = 0
    for view, reducer, most in views:
        if view is None:
            rows.append((np.zeros(0, np.int64), np.zeros(0, np.int64)))
            continue
        taken = np.flatnonzero(view.position < most)
        rows.append((view.owner[taken], first + np.arange(len(taken))))
        tables.append(reducer.transform(view.take(taken)))
        first += len(taken)
    return rows, np.concatenate(tables)


@dataclass(frozen=True, eq=False)
class TextVectors:
    """An encoder of texts, and the reducer of its vectors to the model's width."""

    name: str
    source: TextSource
    reducer: Reducer

    @classmethod
    def fit(
        cls,
        parts: Sequence[pd.DataFrame],
        caches: Sequence[Path],
        names: list[str],
        config: FeatureConfig,
        width: int,
        report: Report,
    ) -> TextVectors | None:
        """Fit the encoder that `config` names on the columns `names` of the training listings of each market, whose vectors are in
        `caches`; None where the model reads no texts.

        The packaged encoder was trained on English and knows at best the letters of other scripts, so that TF-IDF of words and
        letters replaces it for these. The vectors are whitened, so that rare differences count as much as common ones.
        """
        if not config.text:
            return None
        texts = [distinct_texts(part, [name for name in names if name in part]) for part in parts]
        every = np.array([text for mine in texts for text in mine], object)
        distinct, first = np.unique(every, return_index=True)
        if len(distinct) < 2:
            return None
        name = config.text_encoder
        if name.startswith("minilm") and not is_latin(distinct.tolist()):
            name = "tfidf"
        source = TEXT_SOURCES[name].fit(distinct.tolist(), width, caches[0], report)
        vectors = [source.vectors(mine, cache, report) for mine, cache in zip(texts, caches, strict=True)]
        wide = vectors[0] if len(vectors) == 1 else np.concatenate(vectors)[first]
        return cls(name, source, Reducer.fit(wide, width, whiten=True))

    def transform(self, texts: Sequence[str], cache: Path, report: Report = silent) -> np.ndarray:
        """Reduce (N,) texts to (N, width) float32."""
        return self.reducer.transform(self.source.vectors(texts, cache, report))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the arguments of `restore`: arrays of the reducer without a prefix, those of the source with `source.`."""
        head, arrays = self.source.state()
        source_arrays = {f"source.{key}": value for key, value in arrays.items()}
        return {"name": self.name, **head}, {**self.reducer.to_arrays(), **source_arrays}

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> TextVectors:
        """Restore what `state` returned."""
        source_arrays = {
            key.removeprefix("source."): v for key, v in arrays.items() if key.startswith("source.")
        }
        source = TEXT_SOURCES[head["name"]].restore(head, source_arrays)
        return cls(head["name"], source, Reducer.from_arrays(arrays))


def distinct_texts(listings: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the distinct texts of the columns `names`, in order."""
    return sorted({text for name in names for text in listings[name].dropna()})
