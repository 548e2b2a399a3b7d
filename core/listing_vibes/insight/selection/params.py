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

#: Invalid parts of a link, as (name, value).
Unused = list[tuple[str, str]]
WIDEST = 9  # tenths of the weight of variety
DEFAULT = "trained"  # in a URL, the default blend of the run
_SEPARATORS = re.compile("[%|:,]")
_WHOLE = re.compile(r"-?[0-9]{1,11}")


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


def split_names(text: str, known: Collection[str], name: str, left_out: Unused | None) -> tuple[str, ...]:
    """Return the valid names of a parameter with commas; the others are added to `left_out`."""
    parts = [part for part in text.split(",") if part]
    if left_out is not None:
        left_out += [(name, part) for part in parts if unquote(part) not in known]
    return tuple(unquote(part) for part in parts if unquote(part) in known)


def groupings(market: Market) -> list[Attribute]:
    """Return the attributes by which listings can be grouped."""
    return [
        item for item in market.attributes if item.kind in ("category", "flag") and item.name != market.title
    ]


def read_rules(
    market: Market, params: Mapping[str, str], users: bool, left_out: Unused | None = None
) -> Rules:
    """Read the rules of a URL; invalid ones are added to `left_out`, except conditions, which are read with the list.

    Args:
        users: whether the list is for a user; then listings are active and unseen by default.
    """
    names, unused = {item.name for item in groupings(market)}, [] if left_out is None else left_out

    def choice(name: str, known: Collection[str]) -> str:
        value = params.get(name, "")
        if value and value not in known:
            unused.append((name, value))
        return value if value in known else ""

    seller = choice("per", names) or None
    live, seen, fill = (choice(name, ("0", "1")) for name in ("live", "seen", "fill"))
    unused += [
        (name, params[name])
        for name in ("variety", "most")
        if params.get(name) and not is_whole(params[name])
    ]
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
        same=split_names(params.get("same", ""), names, "same", unused) if users else (),  # else a filter
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


def initial_blend(run: RunFolder, fitted: list[str]) -> str:
    """Return the blend where the URL names none: the default one, or recency with a model that was trained with it, else nothing."""
    if default_blend(run) is not None:
        return DEFAULT
    trained = run.has_model and run.manifest.settings.training.recent_days
    return "recency" if trained and "recency" in fitted else NOTHING


def read_blend(run: RunFolder, params: Mapping[str, str], left_out: Unused | None = None) -> str | None:
    """Read the blend of a URL, as `Run.recommend` takes it; one that the run does not have is added to `left_out`."""
    fitted = fitted_blends(run)
    initial = initial_blend(run, fitted)
    blend = params.get("with", initial)
    if blend not in (NOTHING, initial, *fitted):
        if left_out is not None:
            left_out.append(("with", blend))
        blend = initial
    if blend == NOTHING and default_blend(run) is None:
        return None
    return None if blend == DEFAULT else blend
