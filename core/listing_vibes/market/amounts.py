"""Format amounts for people: numbers with their unit, years and prices; and compare the currencies of two markets."""

import math
import re

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import VibesError, printable
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.attribute_types.number import YEARS
from listing_vibes.market.market import Market
from listing_vibes.market.values import CURRENCY, SIGNS

#: A value that is missing.
MISSING = "—"
#: Stands in `market.toml` for the market's currency.
OWN = "currency"
LEAST, DECIMALS = 0.01, 8  # the least value that two decimals show; the most decimals below it
_SIGN_OF = {code: sign for sign, code in SIGNS.items()} | {"USD": "$", "JPY": "¥"}
#: Signs of several currencies.
_AMBIGUOUS = {"$", "¥"}
_PLURAL = re.compile(r"[a-z]{2,}[^s]s")  # nights, rooms, not m²


def number(value: float, unit: str = "", grouped: bool = True) -> str:
    """Return a number with its unit, with at most two decimals, fewer for large numbers, and two significant digits for tiny ones;
    `grouped=False` for years.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    value += 0.0  # zero has no sign
    if 0 < abs(value) < LEAST:
        decimals = 1 - math.floor(math.log10(abs(value)))
        text = f"{value:.{decimals}f}".rstrip("0") if decimals <= DECIMALS else f"{value:.1e}"
        return with_unit(text, unit)
    decimals = 0 if abs(value) >= 1000 or float(value).is_integer() else 1 if abs(value) >= 100 else 2
    text = f"{value:,.{decimals}f}" if grouped else f"{value:.{decimals}f}"
    return with_unit(text.rstrip("0").rstrip(".") if "." in text else text, unit)


def with_unit(text: str, unit: str) -> str:
    """Return `text` with its unit: currency signs come first, other units follow it; `1 night`, `2 nights`."""
    sign = _SIGN_OF.get(unit.upper(), unit)
    if not sign:
        return text
    if sign in SIGNS or sign in _AMBIGUOUS:
        return f"-{sign}{text[1:]}" if text.startswith("-") else f"{sign}{text}"
    if text.lstrip("-") == "1" and _PLURAL.fullmatch(sign):
        sign = re.sub(r"(?<=inch)es$|s$", "", sign)
    return f"{text}%" if sign == "%" else f"{text} {sign}"


@cached_per_object
def years_of(market: Market) -> frozenset[str]:
    """Return the names of the numbers without a unit whose values are all years."""
    names = [item.name for item in market.attributes if item.shown_as == "number" and not item.unit]
    columns = ((name, market.listings[name].dropna()) for name in names)
    return frozenset(
        name
        for name, available in columns
        if len(available) and available.between(*YEARS).all() and (available % 1 == 0).all()
    )


def is_currency(unit: str) -> bool:
    """Return whether a unit is a currency, or a currency per something, such as EUR/month."""
    return re.fullmatch(CURRENCY, _currency(unit)) is not None


def is_ambiguous(unit: str) -> bool:
    """Return whether a sign stands for several currencies, so that two markets with it may count in different ones."""
    return _currency(unit) in _AMBIGUOUS


def display_unit(market: Market, attribute: Attribute) -> str:
    """Return the unit of an attribute for display: that of `market.toml`, or the market's currency where it refers to that."""
    return printable(market.config.currency) if attribute.unit == OWN else attribute.unit


@cached_per_object
def price(market: Market) -> Attribute | None:
    """Return the price attribute: a number in a currency, or else one with the name of a price; None where there is none."""
    numbers = [item for item in market.attributes if item.shown_as == "number"]
    named = (item for item in numbers if "price" in (item.name.casefold(), item.label.casefold()))
    return next((item for item in numbers if is_currency(display_unit(market, item))), next(named, None))


def unit_of(market: Market, attribute: Attribute) -> str:
    """Return the unit of an attribute, a currency as its code; the market's currency resolves an ambiguous sign.

    Raises:
        VibesError: the unit is a currency other than the market's.
    """
    unit, market_currency = attribute.unit.strip(), _currency(market.config.currency)
    if unit == OWN:
        return market_currency
    if not is_currency(unit):
        return unit
    currency = _currency(unit)
    if market_currency and currency != market_currency and not {currency, market_currency} & _AMBIGUOUS:
        raise VibesError(
            f"{market.path / 'market.toml'} has currency = \"{market.config.currency}\", but '{attribute.name}' is in {unit}; "
            "correct one of them."
        )
    sign = re.split(r"[\s/]", unit)[0]
    return (market_currency if market_currency and currency in _AMBIGUOUS else currency) + unit[
        len(sign) :
    ].replace(" ", "")


def _currency(unit: str) -> str:
    sign = re.split(r"[\s/]", unit.strip())[0].upper()
    return SIGNS.get(sign, sign)
