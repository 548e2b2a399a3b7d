"""What a neighbour shares with the listing that is compared, and where it differs, in a few words."""

import unicodedata

from listing_vibes.market.market import Attribute
from listing_vibes_app.app_pages.similar.attribute_match import match
from listing_vibes_app.view import formats
from listing_vibes_app.view.market import MarketView

SAME, DIFFERENT = 4, 4  # things that are told at most


def same_and_different(view: MarketView, query: int, other: int) -> tuple[str, str]:
    """(what is the same, what differs) of the listings at two rows; attributes that either lacks are left out."""
    same, differs = [], []
    for item in sorted(view.attributes, key=lambda item: item.name in view.codes):  # words first
        if item.shown_as == "text":
            continue
        found = match(view, item, query, other)
        if found.verdict == "unknown":
            continue
        if found.verdict == "same":
            if told := _shared(view, item, other):
                same.append(told)
            continue
        differs.append(_difference(view, item, other, found.text, found.difference))
    return _few(same, SAME), _few(differs, DIFFERENT)


def _shared(view: MarketView, item: Attribute, row: int) -> str:
    value = view.raw(row, item)
    if item.shown_as == "flag":
        return item.label if value else f"no {item.label.lower()}"
    if item.shown_as == "place":
        return "the place"
    if item.shown_as == "multi":
        return item.label
    if view.is_id(item):
        return f"the same {item.label.lower()}"
    text = formats.shorten(view.text(row, item), 40)
    return _amount(item, text) if item.shown_as == "number" or text.isdecimal() else text


def _amount(item: Attribute, text: str) -> str:
    """`Price +$45`; the signs around the amount keep its own in front of it where the label runs from right to left."""
    rightwards = any(unicodedata.bidirectional(sign) in ("R", "AL") for sign in item.label)
    return f"{item.label} \u2066{text}\u2069" if rightwards else f"{item.label} {text}"


def _difference(view: MarketView, item: Attribute, row: int, text: str, difference: str) -> str:
    if item.shown_as == "flag":
        return item.label if view.raw(row, item) else f"no {item.label.lower()}"
    if item.shown_as == "place":
        return text  # "2.1 km away"
    if item.shown_as == "number":
        return _amount(item, difference)
    if item.shown_as == "multi":
        return f"{item.label}: {text}"
    if view.is_id(item):
        return f"another {item.label.lower()}"
    return _amount(item, text) if text.isdecimal() else formats.shorten(text, 40)


def _few(told: list[str], most: int) -> str:
    told = list(dict.fromkeys(told))  # a colour and its shade may be one word
    more = len(told) - most
    return ", ".join(told[:most]) + (f" and {more} more" if more > 0 else "")
