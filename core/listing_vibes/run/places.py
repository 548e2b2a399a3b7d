"""Places as people write them, and how far listings lie from one."""

from __future__ import annotations

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import MAX_COORDINATE
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market

NUMBER = r"\d+(?:\.\d+)?"
PLACE = rf"-?{NUMBER}\s*,\s*-?{NUMBER}"
KILOMETRES = {"km": 1.0, "m": 0.001}
EARTH = 6371.0  # km


def read_place(market: Market, written: str, option: str) -> tuple[float, float]:
    """(latitude, longitude) in degrees of what `PLACE` matched; `option` begins the sentence of an error.

    Raises:
        VibesError: it lies nowhere, or the listings of the market have no place.
    """
    latitude, longitude = (float(part) for part in written.split(","))
    for name, value in ((C.LATITUDE, latitude), (C.LONGITUDE, longitude)):
        if abs(value) > MAX_COORDINATE[name]:
            raise VibesError(
                f"{option}; {name} goes from -{MAX_COORDINATE[name]:g} to {MAX_COORDINATE[name]:g}."
            )
        if name not in market.listings:
            raise VibesError(f"{option}, but the listings of {market.path} have no {name}; leave it out.")
    return latitude, longitude


def distance(market: Market, place: tuple[float, float]) -> np.ndarray:
    """(L,) km on the sphere (haversine), NaN where a listing has no place."""
    latitude, longitude = (
        np.radians(market.listings[name].to_numpy(float, na_value=np.nan))
        for name in (C.LATITUDE, C.LONGITUDE)
    )
    north, east = np.radians(place)
    half = (
        np.sin((latitude - north) / 2) ** 2
        + np.cos(latitude) * np.cos(north) * np.sin((longitude - east) / 2) ** 2
    )
    far: np.ndarray = 2 * EARTH * np.arcsin(np.sqrt(np.minimum(half, 1)))
    return far
