"""The photo vectors that the model reads: which photos of a listing, reduced to the model's width, encoder by encoder."""

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.photos.vectors import JOIN, PhotoVectors
from listing_vibes.features.reduce import Reducer
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market


def views_of(config: FeatureConfig, photos: PhotoVectors | None) -> list[PhotoVectors]:
    """What gets tokens of its own: each encoder, or all of them side by side; nothing where there are no vectors.

    Raises:
        VibesError: the configuration names other encoders.
    """
    if photos is None or not config.photo_tokens or not photos.ok.any():
        return []
    names = photos.encoder.split(JOIN)
    wanted = config.photo_encoders or names
    if len(names) != len(wanted) or not all(a.startswith(b) for a, b in zip(names, wanted, strict=True)):
        raise VibesError(
            f"features.photo_encoders names {JOIN.join(wanted)}, the photo vectors are of {photos.encoder}; "
            "leave out --encoder, or name the same."
        )
    return list(photos.parts) if photos.parts and config.photo_join == "tokens" else [photos]


def fit_photos(
    market: Market, config: FeatureConfig, width: int, rows: np.ndarray, photos: PhotoVectors | None
) -> list[Reducer]:
    """One reducer a view, fitted on the photos of the listings `rows` (n,)."""
    reducers = []
    for view in views_of(config, photos):
        vectors, owner = _shown(market, view)
        known = vectors[np.isin(owner, rows)]
        known = known if len(known) > 1 else vectors
        # Not whitened: that would blow up what tells one photo from all others (room types by nearest neighbour: .978 to .940).
        reducers.append(Reducer.fit(np.asarray(known, np.float32), width))
    return reducers


def photos_used(market: Market, config: FeatureConfig, photos: PhotoVectors) -> np.ndarray:
    """(P,) row in the photos table of each vector that `tell_photos` gives of one encoder."""
    usable = np.flatnonzero(photos.ok)
    owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)[usable]
    return usable[_place(owner) < config.photo_tokens]


def tell_photos(
    market: Market, config: FeatureConfig, reducers: list[Reducer], photos: PhotoVectors | None
) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """For each view and photo position the row (L,) int32 of each listing's vector, -1 for none; and all vectors.

    Returns:
        The rows, and (P, width) float32 vectors, view after view.
    """
    told: list[list[np.ndarray]] = []
    tables: list[np.ndarray] = []
    first = 0
    for view, reducer in zip(views_of(config, photos), reducers, strict=False):
        vectors, owner = _shown(market, view)
        place = _place(owner)
        taken = np.flatnonzero(place < config.photo_tokens)
        rows = [np.full(len(market.listings), -1, np.int32) for _ in range(config.photo_tokens)]
        for position, into in enumerate(rows):
            mine = np.flatnonzero(place[taken] == position)
            into[owner[taken[mine]]] = first + mine
        table = reducer.transform(np.asarray(vectors[taken], np.float32))
        told.append(rows)
        tables.append(table)
        first += len(table)
    return told, np.concatenate(tables) if tables else np.zeros((0, 0), np.float32)


def _shown(market: Market, view: PhotoVectors) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (n, w) that may be told, and the listing row (n,) of each, sorted by listing and position."""
    usable = np.flatnonzero(view.ok)
    owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)[usable]
    vectors = view.vectors[usable]
    return vectors, owner


def _place(owner: np.ndarray) -> np.ndarray:
    """(n,) the how manieth entry of its owner each one is; equal owners stand together."""
    fresh = np.ones(len(owner), bool)
    fresh[1:] = owner[1:] != owner[:-1]
    at = np.arange(len(owner))
    return at - np.maximum.accumulate(np.where(fresh, at, 0))
