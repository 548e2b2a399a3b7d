"""The spaces that need no model: listings compared by their photos, and by their attributes."""

import numpy as np

from listing_vibes.features.attribute_space import WIDTH, attribute_vectors, photo_space
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.own_vectors import own_vectors
from listing_vibes.progress import Report


def content_spaces(
    market: Market, photos: PhotoVectors | None, report: Report | None = None, complete: bool = True
) -> dict[str, np.ndarray]:
    """Vectors (L, d) by space, of `photos`, `attributes` and the market's own; one that the market cannot give is left out.

    `complete` is as in `listing_vibes.market.own_vectors`.
    """
    found: dict[str, np.ndarray] = {}
    if photos is not None and photos.ok.any():
        owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
        found["photos"] = photo_space(photos.vectors, owner, photos.ok, len(market.listings))
    if market.attributes:
        featurizer = attribute_featurizer(market, report)
        found["attributes"] = attribute_vectors(featurizer, featurizer.transform(market, None, report))
    for name in market.config.vectors:
        vectors = own_vectors(market, name, complete)
        if vectors is not None:
            found[name] = vectors
    return found


def attribute_featurizer(market: Market, report: Report | None = None) -> Featurizer:
    """What the attribute space is made by: fitted on every listing, without photos and histories."""
    config, rows = FeatureConfig(photos=0, vectors=False, meta=False), np.arange(len(market.listings))
    return Featurizer.fit(market, config, WIDTH, rows, np.empty(0), None, report)
