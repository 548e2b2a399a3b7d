"""How an attribute of one listing lines up with that of another."""

import math
from dataclasses import dataclass
from typing import Literal

from listing_vibes.market.market import Attribute
from listing_vibes_app.view import formats
from listing_vibes_app.view.market import MarketView

Verdict = Literal["same", "close", "different", "unknown"]
NEAR = 0.1  # numbers within a tenth of each other are close
NEAR_YEARS = 5
NEAR_KM = 2.0


@dataclass(frozen=True)
class Match:
    """One attribute of a neighbour against the query: what it is, and what the difference is in words."""

    verdict: Verdict
    text: str
    difference: str = ""


def match(view: MarketView, attribute: Attribute, query: int, other: int) -> Match:
    """Compare `attribute` of the listings at rows `query` and `other`."""
    mine, theirs = view.raw(query, attribute), view.raw(other, attribute)
    text = view.text(other, attribute)
    if attribute.shown_as == "text":
        text = formats.shorten(text, 80)
    if mine is None or theirs is None:
        return Match("unknown", text)
    match attribute.shown_as:
        case "number":
            near = NEAR_YEARS if view.is_year(attribute) else NEAR * max(abs(mine), abs(theirs))
            return _numbers(float(mine), float(theirs), text, view.unit(attribute), near)
        case "multi":
            return _sets(list(mine), list(theirs))
        case "place":
            far = formats.distance_km(mine, theirs)
            return Match(
                "same" if far < 0.01 else "close" if far <= NEAR_KM else "different",
                formats.distance(far) + " away",
            )
    return Match("same" if mine == theirs else "different", text)


def _numbers(mine: float, theirs: float, text: str, unit: str, near: float) -> Match:
    if math.isclose(mine, theirs):  # the same but for rounding
        return Match("same", text)
    step = theirs - mine
    signed = ("+" if step > 0 else "−") + formats.number(abs(step), unit)
    return Match("close" if abs(step) <= near else "different", text, signed)


def _sets(mine: list[str], theirs: list[str]) -> Match:
    shared = [member for member in mine if member in theirs]
    union = len({*mine, *theirs})
    if union == 0:
        return Match("same", "None")
    if set(mine) == set(theirs):
        return Match("same", formats.shorten(", ".join(theirs), 80))
    if not shared:
        return Match("different", formats.shorten(", ".join(theirs), 60) or "None", "none shared")
    names = formats.shorten(", ".join(shared), 60)
    return Match(
        "close" if 2 * len(shared) >= union else "different", f"{len(shared)} of {len(mine)} shared", names
    )
