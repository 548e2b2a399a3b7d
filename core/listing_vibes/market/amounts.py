"""Amounts as people read them: numbers with their unit, and years."""

import math
import re

from listing_vibes.kept_with import kept_with
from listing_vibes.market.kinds.number import YEARS
from listing_vibes.market.market import Market

#: A value that is missing.
MISSING = "—"
LEAST, DECIMALS = 0.01, 8  # what two decimals tell, and how many are written out below that
_CURRENCY_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "SGD": "S$", "AUD": "A$", "CAD": "C$"}
_SIGNS = {"$", "€", "£", "¥", *_CURRENCY_SIGNS.values()}
_PLURAL = re.compile(r"[a-z]{2,}[^s]s")  # nights, rooms, not m²


def number(value: float, unit: str = "", grouped: bool = True) -> str:
    """A number with its unit, at most two decimals, fewer the larger it is, and two figures of what these would not tell;
    `grouped=False` for years."""
    if value is None or not math.isfinite(value):
        return MISSING
    value += 0.0  # nothing has no sign
    if 0 < abs(value) < LEAST:
        decimals = 1 - math.floor(math.log10(abs(value)))
        text = f"{value:.{decimals}f}".rstrip("0") if decimals <= DECIMALS else f"{value:.1e}"
        return with_unit(text, unit)
    decimals = 0 if abs(value) >= 1000 or float(value).is_integer() else 1 if abs(value) >= 100 else 2
    text = f"{value:,.{decimals}f}" if grouped else f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return with_unit(text, unit)


def with_unit(text: str, unit: str) -> str:
    """`text` with its unit: currency signs stand before it, everything else behind it; `1 night`, `2 nights`."""
    sign = _CURRENCY_SIGNS.get(unit.upper(), unit)
    if not sign:
        return text
    if sign in _SIGNS:
        return f"-{sign}{text[1:]}" if text.startswith("-") else f"{sign}{text}"
    if text.lstrip("-") == "1" and _PLURAL.fullmatch(sign):
        sign = re.sub(r"(?<=inch)es$|s$", "", sign)
    return f"{text}%" if sign == "%" else f"{text} {sign}"


def is_money(unit: str) -> bool:
    """True for a currency code or sign."""
    return unit.upper() in _CURRENCY_SIGNS or unit in _SIGNS


@kept_with(8)
def years_of(market: Market) -> frozenset[str]:
    """Return the names of the numbers without a unit whose values are all years."""
    names = [item.name for item in market.attributes if item.shown_as == "number" and not item.unit]
    columns = ((name, market.column(name).dropna()) for name in names)
    return frozenset(
        name
        for name, known in columns
        if len(known) and known.between(*YEARS).all() and (known % 1 == 0).all()
    )
