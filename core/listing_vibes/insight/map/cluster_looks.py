"""Photo values for portraits of groups, in addition to attributes: ImageNet classes of a market's photos, and their tones."""

import numpy as np
import pandas as pd

from listing_vibes.features.photos.looks import Looks
from listing_vibes.insight.map.cluster_names import coded_attributes
from listing_vibes.insight.map.tones import coded_tones
from listing_vibes.market.attribute_types import Coded
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market

LABEL = "Seen in photos"
PLAIN = 0.1  # minimum probability of a class in a photo


def coded_map(market: Market, rows: np.ndarray, tones: pd.DataFrame, looks: Looks | None) -> list[Coded]:
    """Return all values for portraits of a map's groups: attributes of its listings, the rows (n,) of the market, their `tones`
    (n rows) and photo classes `looks`, if photos were classified.
    """
    coded = [*coded_attributes(market, rows), *coded_tones(tones)]
    return coded if looks is None else [*coded, coded_looks(looks, market, rows)]


def coded_looks(looks: Looks, market: Market, rows: np.ndarray) -> Coded:
    """Return the classes with a probability of at least `PLAIN` in a photo of the listings `rows` (n,), once per listing.

    `looks` are of all photos of `market`, in its order.
    """
    place = np.full(len(market.listings), -1)
    place[rows] = np.arange(len(rows))
    owner = place[market.photos[C.LISTING].map(market.listing_row).to_numpy(np.int64)]  # (P,)
    photo, top = np.nonzero((looks.shares >= PLAIN) & (owner >= 0)[:, None])
    seen = np.unique(np.stack([owner[photo], looks.classes[photo, top]], axis=1), axis=0)  # (n', 2)
    given = [(str(name), f"“{name}” in photos") for name in looks.names]
    return LABEL, given, seen[:, 0], seen[:, 1]
