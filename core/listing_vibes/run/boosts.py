"""Boosts that decay: what a listing's score gains for being new, or for lying near a place, as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.places import KILOMETRES, NUMBER, PLACE, distance, read_place

GRAMMAR = re.compile(
    rf"\s*(?:fresh\s+(?P<new>{NUMBER})\s+(?P<time>{NUMBER})\s*(?P<clock>[dh])"
    rf"|near\s+(?P<place>{PLACE})\s+(?P<close>{NUMBER})\s+(?P<way>{NUMBER})\s*(?P<metre>km|m))\s*"
)
NANOSECONDS = {"d": 86_400e9, "h": 3_600e9}
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
            away = np.nan_to_num(distance(market, self.place), nan=np.inf)
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
    place = read_place(market, found["place"], f"Option --boost is '{text}'")
    return Boost(weight, half * KILOMETRES[found["metre"]], place)
