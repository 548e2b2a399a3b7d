"""Which space a run compares listings by where nobody names one.

A model compares by itself where it was trained on the market. One that comes from elsewhere does so where it knows the market:
where its `listing_vibes.features.coverage` is at least `COVERAGE`. Else, and without a model, attributes are compared where
the market has at least `ATTRIBUTES` of them with a value, then photos where at least `PHOTOS` of the listings have one. How
these three were chosen, on eight towns, the demo and a market of houses, is in `assets/docs/research/2026-11-30-default-space.md`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.market import Market
from listing_vibes.run.manifest import DefaultSpace

#: At .64 and less a model found less than attributes in 21 of 24 tries on eight towns; above .80 more in seven of the eight.
COVERAGE = 0.75
#: Attributes of a listing, on average: photos find more than two or three do, and less than six; four are about even.
ATTRIBUTES = 4.0
#: Share of the listings that have a photo.
PHOTOS = 0.5


def default_space(
    market: Market, spaces: Mapping[str, np.ndarray], coverage: float | None = None
) -> DefaultSpace:
    """Return the space that the market supports best, and why.

    Args:
        spaces: vectors (L, d) by space; a zero row is a listing that the space does not know.
        coverage: what a model from elsewhere knows of the market, 0 to 1; None where the model was trained on the market.
    """
    if "model" in spaces and coverage is None:
        return DefaultSpace(space="model", reason="the model was trained on this market")
    unknown = ""
    if "model" in spaces and coverage is not None:
        share = f"{coverage:.0%} of what this market says of its listings"
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
    """Return how many attributes a listing has a value of, on average."""
    return float(
        sum(
            1 - type_of(attribute.kind).missing(market.listings, attribute.name).mean()
            for attribute in market.attributes
        )
    )
