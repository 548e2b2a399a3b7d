"""The photo tokens that the model reads: which photos of a listing, reduced to the model's width, encoder by encoder."""

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.photos.vectors import JOIN, PhotoVectors
from listing_vibes.features.reduce import Reducer
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market


def views_of(config: FeatureConfig, photos: PhotoVectors | None) -> list[PhotoVectors]:
    """Return the vectors that get their own tokens: each encoder's, or all concatenated; empty where there are no vectors.

    Raises:
        VibesError: the configuration has other encoders.
    """
    if photos is None or not config.photo_tokens or not photos.ok.any():
        return []
    names = photos.encoder.split(JOIN)
    requested = config.photo_encoders or names
    if len(names) != len(requested) or not all(
        a.startswith(b) for a, b in zip(names, requested, strict=True)
    ):
        raise VibesError(
            f"features.photo_encoders is {JOIN.join(requested)}, but the photo vectors are of {photos.encoder}; "
            "leave out --encoder, or give the same."
        )
    return list(photos.parts) if photos.parts and config.photo_join == "tokens" else [photos]


def fit_photos(
    market: Market, config: FeatureConfig, width: int, rows: np.ndarray, photos: PhotoVectors | None
) -> list[Reducer]:
    """Fit one reducer for each view on the photos of the listings `rows` (n,)."""
    reducers = []
    for view in views_of(config, photos):
        usable, owner, _ = _usable_photos(market, view)
        fitted = usable[np.isin(owner, rows)]
        vectors = view.vectors[fitted if len(fitted) > 1 else usable]
        # Not whitened, which would amplify what is unique to a photo (room types by nearest neighbor: .978 to .940).
        reducers.append(Reducer.fit(np.asarray(vectors, np.float32), width))
    return reducers


def photos_used(market: Market, config: FeatureConfig, photos: PhotoVectors) -> np.ndarray:
    """Return (P,) the photos table's row of each vector that `gather_photos` returns for one encoder."""
    usable, _, position = _usable_photos(market, photos)
    return usable[position < config.photo_tokens]


def gather_photos(
    market: Market, config: FeatureConfig, reducers: list[Reducer], photos: PhotoVectors | None
) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Return for each view and photo position the row (L,) int32 of each listing's vector, -1 for none; and all vectors.

    Returns:
        The rows, and (P, width) float32 vectors of all views, concatenated.
    """
    rows: list[list[np.ndarray]] = []
    tables: list[np.ndarray] = []
    first = 0
    for view, reducer in zip(views_of(config, photos), reducers, strict=False):
        usable, owner, position = _usable_photos(market, view)
        taken = np.flatnonzero(position < config.photo_tokens)
        by_position = [np.full(len(market.listings), -1, np.int32) for _ in range(config.photo_tokens)]
        for number, row_of in enumerate(by_position):
            mine = np.flatnonzero(position[taken] == number)
            row_of[owner[taken[mine]]] = first + mine
        rows.append(by_position)
        tables.append(reducer.transform(np.asarray(view.vectors[usable[taken]], np.float32)))
        first += len(taken)
    return rows, np.concatenate(tables) if tables else np.zeros((0, 0), np.float32)


def _usable_photos(market: Market, view: PhotoVectors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows (n,) of photos with a vector, the listing row of each, and its rank among the listing's photos."""
    usable = np.flatnonzero(view.ok)
    owner = market.photos[C.LISTING].map(market.listing_row).iloc[usable]
    return usable, owner.to_numpy(int), owner.groupby(owner).cumcount().to_numpy(int)
