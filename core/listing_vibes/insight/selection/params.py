"""Parameters of a list in a URL: its rules, its length, its blend."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import quote, unquote

from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.market import Market
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.rules import Rules, declared
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_names import blend_parts

WIDEST = 9  # tenths of the weight of variety
DEFAULT = "trained"  # in a URL, the default blend of the run
_SEPARATORS = re.compile("[%|:,]")
_WHOLE = re.compile(r"-?[0-9]{1,11}")
T = TypeVar("T")


class Params(dict[str, str]):
    """The parameters of a URL; those that are read and invalid are added to `unused`, as (name, value)."""

    def __init__(self, values: Mapping[str, str], unused: list[tuple[str, str]] | None = None) -> None:
        super().__init__(values)
        self.unused = [] if unused is None else unused

    def read(self, name: str, parse: Callable[[str], T | None]) -> T | None:
        """Return a parameter as `parse` reads it; None if it is missing, or if `parse` returns None because it is invalid."""
        text = self.get(name, "")
        value = parse(text) if text else None
        if text and value is None:
            self.unused.append((name, text))
        return value

    def choice(self, name: str, known: Collection[str], default: str = "") -> str:
        """Return a parameter that must be one of `known`; the default if it is missing or invalid."""
        return self.read(name, lambda text: text if text == default or text in known else None) or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return a parameter that must be a whole number, clipped to `low` and `high`."""
        value = self.read(name, lambda text: int(text) if _WHOLE.fullmatch(text) else None)
        return max(low, min(high, default if value is None else value))

    def names(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Return the valid names of a parameter with commas."""
        parts = [part for part in self.get(name, "").split(",") if part]
        self.unused += [(name, part) for part in parts if unquote(part) not in known]
        return tuple(unquote(part) for part in parts if unquote(part) in known)


def escaped(text: str) -> str:
    """Return a name or a value for a URL that holds several, which `unquote` reads; only separators are changed.

    >>> escaped("bed,size"), escaped("Shared room")
    ('bed%2Csize', 'Shared room')
    """
    return _SEPARATORS.sub(lambda mark: quote(mark[0], safe=""), text)


def groupings(market: Market) -> list[Attribute]:
    """Return the attributes by which listings can be grouped."""
    return [
        item for item in market.attributes if item.kind in ("category", "flag") and item.name != market.title
    ]


def read_rules(market: Market, params: Params, users: bool) -> Rules:
    """Read the rules of a URL; conditions are checked when the list is made.

    In a list for `users` listings are active and unseen by default.
    """
    names = {item.name for item in groupings(market)}
    seller, most = params.choice("per", names) or None, params.number("most", 2, 1, 99)
    live, seen, fill = (params.choice(name, ("0", "1")) for name in ("live", "seen", "fill"))
    texts = {
        rule.parameter: tuple(
            text for part in params.get(rule.parameter, "").split(";") if (text := part.strip())
        )
        for rule in declared()
        if isinstance(Rules.model_fields[rule.field].default, tuple) and rule.field != "same"
    }
    return Rules(
        live_only=live == "1" if live else None,
        drop_seen=False if users and seen == "1" else None,
        same=params.names("same", names) if users else (),  # else a filter
        at_most=most if seller else None,
        seller=seller,
        diversity=params.number("variety", 0, 0, WIDEST) / 10,
        fill=fill == "1",
        **texts,
    )


def default_blend(run: Run) -> BlendWeights | None:
    """Return the default blend of a run; None: the model only."""
    return run.manifest.settings.blend if run.has_model else None


def fitted_blends(run: Run) -> list[str]:
    """Return the blends that `vibes evaluate` fitted and that differ from the default one, by their names in `Run.recommend`."""
    default = default_blend(run)
    names = [blend_parts(fit.name) for fit in run.fits]
    return [name for name in names if default is None or name != default.parts]


def read_blend(run: Run, params: Params) -> str | None:
    """Read the blend of a URL, as `Run.recommend` takes it."""
    initial = NOTHING if default_blend(run) is None else DEFAULT
    blend = params.choice("with", (NOTHING, initial, *fitted_blends(run)), initial)
    return None if blend == initial else blend
