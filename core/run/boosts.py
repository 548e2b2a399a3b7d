"""Boosts that decay: what a listing's score gains for being new, or for lying near a place, as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from core.errors import VibesError
from core.market.columns import MAX_COORDINATE
from core.market.columns import Columns as C
from core.market.market import Market

NUMBER = r"\d+(?:\.\d+)?"
GRAMMAR = re.compile(
    rf"\s*(?:fresh\s+(?P<new>{NUMBER})\s+(?P<time>{NUMBER})\s*(?P<clock>[dh])"
    rf"|near\s+(?P<place>-?{NUMBER}\s*,\s*-?{NUMBER})\s+(?P<close>{NUMBER})\s+(?P<way>{NUMBER})\s*(?P<metre>km|m))\s*"
)
NANOSECONDS = {"d": 86_400e9, "h": 3_600e9}
KILOMETRES = {"km": 1.0, "m": 0.001}
EARTH = 6371.0  # km
MOST = 10.0


@dataclass(frozen=True)
class Boost:
    """A gain of `weight` that halves every `half` of age (nanoseconds) or, with a `place` (degrees), of distance (km)."""

    weight: float
    half: float
    place: tuple[float, float] | None = None

    def gain(self, market: Market, at: int) -> np.ndarray:
        """(L,) float32 from 0 to `weight` at a moment; 0 of a listing that does not say when it was published or where it is."""
        if self.place is None:
            since, _ = market.live_interval()
            away = np.maximum(at - since.astype(np.float64), 0)
        else:
            away = np.nan_to_num(_distance(market, self.place), nan=np.inf)
        return (self.weight * np.exp2(-away / self.half)).astype(np.float32)


def read_boost(market: Market, text: str) -> Boost:
    """`fresh 0.5 14d` or `near 48.14,11.58 0.5 2km`: a weight, and after how much age or way half of it is left.

    Raises:
        VibesError: it is none of these, or the market knows no such moments or places.
    """
    found = GRAMMAR.fullmatch(text)
    if found is None:
        raise VibesError(
            f"Option --boost is '{text}'; write for example 'fresh 0.5 14d' (half of it left after 14 days) or "
            "'near 48.14,11.58 0.5 2km'."
        )
    weight, half = float(found["new"] or found["close"]), float(found["time"] or found["way"])
    if not 0 < weight <= MOST or not half:
        raise VibesError(
            f"Option --boost is '{text}'; give a weight above 0 and up to {MOST:g}, and a half above 0."
        )
    if found["place"] is None:
        if not market.timed or C.PUBLISHED not in market.listings:
            raise VibesError(
                f"Option --boost is '{text}', but {market.path} does not say when listings were published; give "
                f"{C.PUBLISHED} and timestamps, or leave the boost out."
            )
        return Boost(weight, half * NANOSECONDS[found["clock"]])
    latitude, longitude = (float(part) for part in found["place"].split(","))
    for name, value in ((C.LATITUDE, latitude), (C.LONGITUDE, longitude)):
        if abs(value) > MAX_COORDINATE[name]:
            raise VibesError(
                f"Option --boost is '{text}'; {name} goes from -{MAX_COORDINATE[name]:g} to {MAX_COORDINATE[name]:g}."
            )
        if name not in market.listings:
            raise VibesError(
                f"Option --boost is '{text}', but the listings of {market.path} have no {name}; leave the boost out."
            )
    return Boost(weight, half * KILOMETRES[found["metre"]], (latitude, longitude))


def _distance(market: Market, place: tuple[float, float]) -> np.ndarray:
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
    return 2 * EARTH * np.arcsin(np.sqrt(np.minimum(half, 1)))
