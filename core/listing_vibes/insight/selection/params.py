"""What the address of a page says of a list: its rules, its length, what is added to the model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import quote, unquote

from listing_vibes.market.market import Attribute, Market
from listing_vibes.run.fits import NOTHING, Fit, load_fits, telling, unasked_fit
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.rules import Rules, declared

#: What some page of the explorer writes into its address, or Streamlit does; the others are in `listing_vibes.insight.selection.filters`.
WRITTEN = frozenset(rule.parameter for rule in declared() if rule.field != "same") | frozenset(
    (
        "a",
        "at",
        "b",
        "by",
        "cover",
        "day",
        "draft",
        "embed",
        "embed_options",
        "group",
        "groups",
        "h",
        "h2",
        "k",
        "least",
        "like",
        "listing",
        "lists",
        "metric",
        "nothing",
        "of",
        "page",
        "part",
        "photos",
        "place",
        "probe",
        "q",
        "queries",
        "region",
        "run",
        "sample",
        "set",
        "slice",
        "space",
        "to",
        "two",
        "unmet",
        "user",
        "users",
        "view",
        "who",
        "why",
        "with",
    )
)
WIDEST = 9  # tenths of the weight of variety
OWN = "trained"  # in an address, what lists of the run add unasked; the default where they do
_MARKS = re.compile("[%|:,]")  # what parts names and values in an address
_WHOLE = re.compile(r"-?[0-9]{1,11}")


def whole(params: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A parameter that must be a whole number, held within `low` and `high`."""
    text = params.get(name, "")
    value = int(text) if is_whole(text) else default
    return max(low, min(high, value))


def is_whole(text: str) -> bool:
    """Whether a parameter is a whole number."""
    return _WHOLE.fullmatch(text) is not None


def escaped(text: str) -> str:
    """A name or a value for an address that holds several, which `unquote` reads; only what would part it is changed.

    >>> escaped("bed,size"), escaped("Shared room")
    ('bed%2Csize', 'Shared room')
    """
    return _MARKS.sub(lambda mark: quote(mark[0], safe=""), text)


def groupings(market: Market) -> list[Attribute]:
    """The attributes by which listings can be grouped."""
    return [
        item for item in market.attributes if item.kind in ("category", "flag") and item.name != market.title
    ]


def read_rules(
    market: Market, params: Mapping[str, str], users: bool, left_out: list[tuple[str, str]] | None = None
) -> Rules:
    """The rules of an address; what it cannot mean is left out, but for conditions, which are read with the list.

    Args:
        users: of a list for a user, where listings are to be live and unseen unless the address says otherwise.
        left_out: is told what was left out, (name, value) each.
    """
    names = {item.name for item in groupings(market)}
    left: list[tuple[str, str]] = [] if left_out is None else left_out

    def one_of(name: str, may: Collection[str]) -> str:
        value = params.get(name, "")
        if value and value not in may:
            left.append((name, value))
        return value if value in may else ""

    def number(name: str, default: int, low: int, high: int) -> int:
        if params.get(name) and not is_whole(params[name]):
            left.append((name, params[name]))
        return whole(params, name, default, low, high)

    per, live, seen, fill = (
        one_of("per", names),
        *(one_of(name, ("0", "1")) for name in ("live", "seen", "fill")),
    )
    variety, most = number("variety", 0, 0, WIDEST), number("most", 2, 1, 99)
    texts = {
        name: tuple(part for each in params.get(name, "").split(";") if (part := each.strip()))
        for rule in declared()
        if rule.is_texts and rule.field != "same"
        for name in (rule.parameter,)
    }
    same = params.get("same", "").split(",") if users else []  # of similar listings the filters do that
    if params.get("same"):
        left += [("same", part) for part in same if unquote(part) not in names]
    return Rules(
        live_only=live == "1" if live else None,
        drop_seen=False if users and seen == "1" else None,
        same=tuple(name for part in same if (name := unquote(part)) in names),
        at_most=most if per else None,
        seller=per or None,
        diversity=variety / 10,
        fill=fill == "1",
        **texts,
    )


def own_fit(run: RunFolder) -> Fit | None:
    """What every list of the run adds without being asked to; None: nothing."""
    return unasked_fit(run.manifest.settings) if run.has_model else None


def adds_its_own(run: RunFolder) -> bool:
    """Whether every list of the run adds something without being asked to."""
    return own_fit(run) is not None


def offered(run: RunFolder) -> list[str]:
    """What `vibes evaluate` fitted beside the model, by the names of `Run.recommend`; none that changes nothing, and not what
    the run adds by itself."""
    own = own_fit(run)
    return [fit.added for fit in telling(load_fits(run.path)) if own is None or fit.added != own.holds]


def usual(run: RunFolder, additions: list[str]) -> str:
    """What is added where the address does not say: nothing, but what the run adds unasked, or recency to a model that was trained beside it."""
    if adds_its_own(run):
        return OWN
    trained = run.has_model and run.manifest.settings.training.recent_days
    return "recency" if trained and "recency" in additions else NOTHING


def beside_of(run: RunFolder, added: str) -> str | None:
    """What `Run.recommend` is told of what a page adds, one of `offered`, `OWN` and `NOTHING`."""
    if added == NOTHING:
        return NOTHING if adds_its_own(run) else None
    return None if added == OWN else added


def read_beside(
    run: RunFolder, params: Mapping[str, str], left_out: list[tuple[str, str]] | None = None
) -> str | None:
    """What an address adds to the model; `left_out` is told of what there is not, (name, value)."""
    additions = offered(run)
    default = usual(run, additions)
    added = params.get("with", default).replace("neighbours", "neighbors")
    if left_out is not None and added not in (NOTHING, default, *additions):
        left_out.append(("with", added))
    return beside_of(run, added if added in (NOTHING, *additions) else default)
