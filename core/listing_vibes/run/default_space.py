"""The default space in which a run compares listings.

A model that was trained on the market is the default. Otherwise the space with the greatest weight in the default blend is, which
was fitted on the market's validation queries. With fewer than `QUERIES` of them a model of another market is the default if its
`listing_vibes.features.coverage` of the market is at least `COVERAGE`. Otherwise the default is the attributes if a listing has
at least `ATTRIBUTES` of them on average, then the photos if at least `PHOTOS` of the listings have one. How these three were chosen, on eight towns, the demo and a market of houses, is in `assets/docs/research/2026-11-30-default-space.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.market import Market
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.manifest import DefaultSpace

#: Up to .64 a model had a lower recall than attributes in 21 of 24 trials on eight towns; above .80 a higher one in seven of eight.
COVERAGE = 0.75
#: Mean attributes per listing: photos have a higher recall than two or three attributes and a lower one than six; four are even.
ATTRIBUTES = 4.0
#: Share of the listings that have a photo.
PHOTOS = 0.5
#: The number of validation queries from which on the weights of a blend say more than these limits.
QUERIES = 100


def default_space(
    market: Market,
    spaces: Mapping[str, np.ndarray],
    coverage: float | None = None,
    blend: BlendWeights | None = None,
) -> DefaultSpace:
    """Return the space that the market supports best, and why.

    Args:
        spaces: vectors (L, d) by space; a row of zeros is a listing without a vector.
        coverage: the coverage of the market by a model of another market, 0 to 1; None if the model was trained on the market.
        blend: the default blend; None if the market has no events.
    """
    if "model" in spaces and coverage is None:
        return DefaultSpace(space="model", reason="the model was trained on this market")
    if blend is not None and blend.queries >= QUERIES:
        weights = {name: weight for name, weight in blend.weights.items() if name in spaces}
        if weights and max(weights.values()) > 0:
            reason = f"it has the greatest weight in the ranking that was fitted on {blend.queries:,} validation queries"
            return DefaultSpace(space=max(weights, key=weights.__getitem__), reason=reason)
    unknown = ""
    if "model" in spaces and coverage is not None:
        share = f"{coverage:.0%} of the values in this market"
        if coverage >= COVERAGE:
            return DefaultSpace(space="model", reason=f"the model knows {share}")
        unknown = f"the model knows only {share}, and "
    filled = mean_attributes(market)
    shown = float(np.any(spaces["photos"], axis=1).mean()) if "photos" in spaces else 0.0
    if "attributes" in spaces and (filled >= ATTRIBUTES or shown < PHOTOS):
        return DefaultSpace(
            space="attributes", reason=f"{unknown}a listing has {filled:.1f} attributes on average"
        )
    if shown:
        few = f", and only {filled:.1f} attributes" if "attributes" in spaces else ""
        return DefaultSpace(space="photos", reason=f"{unknown}{shown:.0%} of the listings have a photo{few}")
    return DefaultSpace(space=next(iter(spaces)), reason="it is the only space of the run")


def mean_attributes(market: Market) -> float:
    """Return the mean number of attributes with a value per listing."""
    return float(
        sum(
            1 - type_of(attribute.kind).missing(market.listings, attribute.name).mean()
            for attribute in market.attributes
        )
    )
