"""The spaces that need no model: listings compared by their photos, and by their attributes."""

import numpy as np

from listing_vibes.features.attribute_space import WIDTH, attribute_vectors, photo_space
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.progress import Report


def content_spaces(
    market: Market, photos: PhotoVectors | None, report: Report | None = None
) -> dict[str, np.ndarray]:
    """Vectors (L, d) by space, of `photos` and `attributes`; one that the market cannot give is left out."""
    found: dict[str, np.ndarray] = {}
    if photos is not None and photos.ok.any():
        owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
        found["photos"] = photo_space(photos.vectors, owner, photos.ok, len(market.listings))
    if market.attributes:
        featurizer = attribute_featurizer(market, report)
        found["attributes"] = attribute_vectors(featurizer, featurizer.transform(market, None, report))
    return found


def attribute_featurizer(market: Market, report: Report | None = None) -> Featurizer:
    """What the attribute space is made by: fitted on every listing, without photos and histories."""
    config, rows = FeatureConfig(photos=0, meta=False), np.arange(len(market.listings))
    return Featurizer.fit(market, config, WIDTH, rows, np.empty(0), None, report)
