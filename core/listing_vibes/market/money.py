"""In what an attribute is counted, and whether two markets mean the same money by it."""

import re

from listing_vibes.errors import VibesError, printable
from listing_vibes.kept_with import kept_with
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.values import CURRENCY, SIGNS

#: Stands in `market.toml` for the market's currency.
OWN = "currency"
#: Signs of several currencies.
_AMBIGUOUS = {"$", "¥"}


def is_currency(unit: str) -> bool:
    """Whether a unit is a currency, or one for something, as in EUR/month."""
    return re.fullmatch(CURRENCY, _money(unit)) is not None


def is_ambiguous(unit: str) -> bool:
    """Whether it is the sign of several currencies, which does not say that two markets count in the same one."""
    return _money(unit) in _AMBIGUOUS


def said_unit(market: Market, attribute: Attribute) -> str:
    """The unit of an attribute as people read it: as `market.toml` has it, the market's currency for its own."""
    return printable(market.config.currency) if attribute.unit == OWN else attribute.unit


@kept_with(8)
def price(market: Market) -> Attribute | None:
    """Return the attribute that is a price: a number in a currency, or else one of that name; None where there is none."""
    numbers = [item for item in market.attributes if item.shown_as == "number"]
    named = (item for item in numbers if "price" in (item.name.casefold(), item.label.casefold()))
    return next((item for item in numbers if is_currency(said_unit(market, item))), next(named, None))


def unit_of(market: Market, attribute: Attribute) -> str:
    """The unit of an attribute, with the code of its currency; where the sign alone does not say which, the market does.

    Raises:
        VibesError: it is a currency, and not the market's.
    """
    unit, own = attribute.unit.strip(), _money(market.config.currency)
    if unit == OWN:
        return own
    if not is_currency(unit):
        return unit
    money = _money(unit)
    if own and money != own and not {money, own} & _AMBIGUOUS:
        raise VibesError(
            f"{market.path / 'market.toml'} has currency = \"{market.config.currency}\", and counts '{attribute.name}' in {unit}; "
            "correct one of them."
        )
    return (own if own and money in _AMBIGUOUS else money) + unit[len(_sign(unit)) :].replace(" ", "")


def _sign(unit: str) -> str:
    return re.split(r"[\s/]", unit)[0]


def _money(unit: str) -> str:
    sign = _sign(unit.strip()).upper()
    return SIGNS.get(sign, sign)
