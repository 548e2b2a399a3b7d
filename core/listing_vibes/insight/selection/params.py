"""Parameters of a list in a URL: its rules, its length, its blend."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import quote, unquote

from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.market import Market
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.fits import NOTHING, load_fits
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.rules import Rules, declared
from listing_vibes.scoring.ranking_names import blend_parts

WIDEST = 9  # tenths of the weight of variety
DEFAULT = "trained"  # in a URL, the default blend of the run
_SEPARATORS = re.compile("[%|:,]")
_WHOLE = re.compile(r"-?[0-9]{1,11}")


class Params(dict[str, str]):
    """The parameters of a URL; those that are read and invalid are added to `unused`, as (name, value)."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.unused: list[tuple[str, str]] = []

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Params:
        """Return parameters themselves, or those of another mapping."""
        return values if isinstance(values, Params) else cls(values)

    def choice(self, name: str, known: Collection[str], default: str = "") -> str:
        """Return a parameter that must be one of `known`; the default if it is missing or invalid."""
        value = self.get(name, "")
        if value and value not in known:
            self.unused.append((name, value))
        return value if value in known else default

    def names(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Return the valid names of a parameter with commas."""
        parts = [part for part in self.get(name, "").split(",") if part]
        self.unused += [(name, part) for part in parts if unquote(part) not in known]
        return tuple(unquote(part) for part in parts if unquote(part) in known)


def whole(params: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Return a parameter that must be a whole number, clipped to `low` and `high`."""
    text = params.get(name, "")
    return max(low, min(high, int(text) if is_whole(text) else default))


def is_whole(text: str) -> bool:
    """Return whether a parameter is a whole number."""
    return _WHOLE.fullmatch(text) is not None


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


def read_rules(market: Market, params: Mapping[str, str], users: bool) -> Rules:
    """Read the rules of a URL; conditions are checked when the list is made.

    In a list for `users` listings are active and unseen by default.
    """
    params, names = Params.of(params), {item.name for item in groupings(market)}
    seller = params.choice("per", names) or None
    live, seen, fill = (params.choice(name, ("0", "1")) for name in ("live", "seen", "fill"))
    numbers = {name: params[name] for name in ("variety", "most") if params.get(name)}
    params.unused += [(name, value) for name, value in numbers.items() if not is_whole(value)]
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
        at_most=whole(params, "most", 2, 1, 99) if seller else None,
        seller=seller,
        diversity=whole(params, "variety", 0, 0, WIDEST) / 10,
        fill=fill == "1",
        **texts,
    )


def default_blend(run: RunFolder) -> BlendWeights | None:
    """Return the default blend of a run; None: the model only."""
    return run.manifest.settings.blend if run.has_model else None


def fitted_blends(run: RunFolder) -> list[str]:
    """Return the blends that `vibes evaluate` fitted and that differ from the default one, by their names in `Run.recommend`."""
    default = default_blend(run)
    names = [blend_parts(fit.name) for fit in load_fits(run.path)]
    return [name for name in names if default is None or name != default.parts]


def read_blend(run: RunFolder, params: Params) -> str | None:
    """Read the blend of a URL, as `Run.recommend` takes it."""
    initial = NOTHING if default_blend(run) is None else DEFAULT
    blend = params.choice("with", (NOTHING, initial, *fitted_blends(run)), initial)
    return None if blend == initial else blend
