"""The comparison of two listings' attributes: a verdict and words for the line-up, and a few words for a card."""

import math
import unicodedata
from dataclasses import dataclass
from typing import Literal

import numpy as np

from listing_vibes.insight.market_view import MarketView
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.run.conditions import great_circle
from listing_vibes_app.view import formats

Verdict = Literal["same", "close", "different", "unknown"]
NEAR = 0.1  # numbers within a tenth of each other are close
NEAR_YEARS = 5
NEAR_KM = 2.0
MOST = 4  # most attributes of each kind on a card


@dataclass(frozen=True)
class Match:
    """An attribute of a neighbor compared with the query: its value, and the difference in words."""

    verdict: Verdict
    text: str
    difference: str = ""


def match(view: MarketView, attribute: Attribute, query: int, other: int) -> Match:
    """Compare an attribute of the listings at rows `query` and `other`."""
    mine, theirs = view.raw(query, attribute), view.raw(other, attribute)
    text = view.text(other, attribute)
    if attribute.shown_as == "text":
        text = formats.shorten(text, 80)
    if mine is None or theirs is None:
        return Match("unknown", text)
    match attribute.shown_as:
        case "number":
            step = float(theirs) - float(mine)
            if math.isclose(mine, theirs):  # the same but for rounding
                return Match("same", text)
            neighbors = NEAR_YEARS if view.is_year(attribute) else NEAR * max(abs(mine), abs(theirs))
            signed = ("+" if step > 0 else "−") + formats.number(abs(step), view.unit(attribute))
            return Match("close" if abs(step) <= neighbors else "different", text, signed)
        case "multi":
            return _match_sets(list(mine), list(theirs))
        case "place":
            far = float(great_circle(np.array([mine]), theirs)[0])
            verdict: Verdict = "same" if far < 0.01 else "close" if far <= NEAR_KM else "different"
            return Match(verdict, formats.distance(far) + " away")
    return Match("same" if mine == theirs else "different", text)


def _match_sets(mine: list[str], theirs: list[str]) -> Match:
    shared = [member for member in mine if member in theirs]
    if set(mine) == set(theirs):
        return Match("same", formats.shorten(", ".join(theirs), 80) or "None")
    if not shared:
        return Match("different", formats.shorten(", ".join(theirs), 60) or "None", "none shared")
    verdict: Verdict = "close" if 2 * len(shared) >= len({*mine, *theirs}) else "different"
    return Match(verdict, f"{len(shared)} of {len(mine)} shared", formats.shorten(", ".join(shared), 60))


def same_and_different(view: MarketView, query: int, other: int) -> tuple[str, str]:
    """Return the equal and the different attributes of two listings, without those that either lacks."""
    same: list[str] = []
    differs: list[str] = []
    for item in sorted(view.attributes, key=lambda item: item.name in view.codes):  # words first
        result = match(view, item, query, other)
        if item.shown_as != "text" and result.verdict != "unknown":
            (same if result.verdict == "same" else differs).append(_describe(view, item, other, result))
    return _enumerate(same), _enumerate(differs)


def _describe(view: MarketView, item: Attribute, row: int, result: Match) -> str:
    """Return an attribute in a few words: `Sauna`, `no Sauna`, `Price +$45`, `Amenities: 2 of 3 shared`."""
    is_same, label = result.verdict == "same", item.label.lower()
    if item.shown_as == "flag":
        return item.label if view.raw(row, item) else f"no {label}"
    if item.shown_as == "place":
        return "the location" if is_same else result.text
    if item.shown_as == "multi":
        return item.label if is_same else f"{item.label}: {result.text}"
    if view.is_id(item):
        return f"the same {label}" if is_same else f"another {label}"
    text = formats.shorten(result.difference or result.text, 40)
    if item.shown_as != "number" and not text.isdecimal():
        return text
    # Isolate the text for right-to-left labels, so that the sign stays in front.
    right_to_left = any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in item.label)
    return f"{item.label} \u2066{text}\u2069" if right_to_left else f"{item.label} {text}"


def _enumerate(names: list[str]) -> str:
    names = list(dict.fromkeys(names))  # a color and its shade can be the same word
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")
