"""Views that somebody pinned in the explorer, as sections of the report: what each shows, with the note on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.launch.launch import launch
from listing_vibes.insight.launch.written import LaunchCall
from listing_vibes.insight.map.region import inside, read_outline
from listing_vibes.insight.selection.address import page_of, selections
from listing_vibes.insight.selection.params import whole
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.market.amounts import number, years_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.moments import moment_in_log
from listing_vibes.market.money import said_unit
from listing_vibes.report.figures import Map
from listing_vibes.report.looks import Photo, listings_map, photo_of, thinned
from listing_vibes.run.histories import user_number
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

MOST, ROWS, NEWEST = 60, 24, 6  # views of a report, listings of a list, and events of a history
LETTERS = 2000  # of a note
#: Pages of figures, which the report has in sections of its own.
FIGURES = {
    "": "The figures of this page stand below, under “How good are the recommendations?”.",
    "compare": "What was compared on this page is no list; where it was measured, it stands below, under “What is each part worth?”.",
    "cold": "What this page shows is no list; where it was measured, it stands below, under “For whom does it work?”.",
}
RunOf = Callable[[str | None], "Run | None"]


@dataclass(frozen=True)
class Pin:
    """A view that somebody pinned."""

    title: str
    url: str  # from "/" on
    note: str = ""


@dataclass(frozen=True)
class Strip:
    """Listings under a name; the first is framed where it is what the others are compared with."""

    label: str
    photos: Sequence[Photo]
    framed: bool = False
    command: str = ""
    more: str = ""


@dataclass(frozen=True)
class View:
    """A pinned view as it stands in the report."""

    title: str
    note: str
    address: str
    strips: Sequence[Strip] = ()
    map: Map | None = None
    facts: Sequence[tuple[str, str]] = field(default=())
    told: str = ""  # a sentence above all, or why there is nothing


def read_pins(path: Path) -> list[Pin]:
    """The pinned views of a file that the explorer saved.

    Raises:
        VibesError: the file cannot be read, or holds no pinned views.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VibesError(f"Cannot read the pinned views {path}: {error}; check the path.") from error
    return pins_of(text, str(path))


def pins_of(text: str | bytes, told: str = "The file") -> list[Pin]:
    """The pinned views of a JSON document: `[{"title", "url", "note"}, ...]`.

    Raises:
        VibesError: it is none, or holds more views than a report takes.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VibesError(f"{told} is no JSON ({error}); save it anew under “Pinned views”.") from error
    if not isinstance(found, list) or not all(map(_usable, found)):
        raise VibesError(
            f'{told} holds no pinned views; it is to be a list such as [{{"title": "Alike", "url": "/similar?listing=ID"}}].'
        )
    if len(found) > MOST:
        raise VibesError(f"{told} holds {len(found):,} pinned views; a report takes {MOST}. Take some out.")
    return [
        Pin(str(one.get("title") or one["url"])[:200], one["url"], str(one.get("note") or "")[:LETTERS])
        for one in found
    ]


def _usable(one: Any) -> bool:
    return isinstance(one, Mapping) and isinstance(one.get("url"), str) and one["url"].startswith("/")


def only(run: Run) -> RunOf:
    """What opens a pin's run where there is one run alone."""
    return lambda name: run if name in (None, run.path.resolve().name) else None


def pinned_views(pins: Iterable[Pin], run_of: RunOf) -> list[View]:
    """Each pinned view with what it shows; one that cannot be shown says why.

    Args:
        run_of: the run of a name in an address, None where it is not at hand; for no name the usual one.
    """
    return [_view(pin, run_of) for pin in pins]


def _view(pin: Pin, run_of: RunOf) -> View:
    view = View(pin.title, pin.note, pin.url)
    try:
        page, params = page_of(pin.url)
    except VibesError as error:
        return replace(view, told=str(error))
    run = run_of(params.get("run"))
    if run is None:
        return replace(
            view, told=f"This view is of the run '{params.get('run')}', which the report was not given."
        )
    try:
        if page == "map":
            return _mapped(view, run, params)
        if page == "cold" and params.get("view") == "new":
            return _launched(view, run, params)
        if page in FIGURES and not {"listing", "user"} & set(params):
            return replace(view, told=FIGURES[page])
        lists = selections(run, pin.url)
        return replace(view, strips=[strip for one in lists for strip in _strips(run, one)])
    except VibesError as error:
        return replace(view, told=str(error))


def _strips(run: Run, one: Selection) -> list[Strip]:
    """What was asked, and the list."""
    found = one.frame(run)
    names, scores = found[C.LISTING].tolist(), found["score"].tolist()
    command = one.command("RUN")
    more = (
        f"The first {ROWS} of {len(names):,}." if len(names) > ROWS else "" if names else "The list is empty."
    )
    if one.kind == "similar":
        word = "score" if one.rules.moves_scores else "similarity"
        lines = [f"{word} {score:.2f}" for score in scores]
        photos = [photo_of(run.market, one.query, "the listing"), *_photos(run, names, lines)]
        return [Strip(f"Alike by {one.space}", photos, True, command, more)]
    photos = _photos(run, names, [f"no. {place}" for place in range(1, len(names) + 1)])
    label = one.label or (
        "Recommended" if one.kind == "recommend" else f"Photos that look like “{one.query}”"
    )
    listed = Strip(label, photos, False, command, more)
    return [_history(run, one), listed] if one.kind == "recommend" else [listed]


def _photos(run: Run, names: Sequence[str], lines: Sequence[str]) -> list[Photo]:
    return [photo_of(run.market, name, line) for name, line in zip(names[:ROWS], lines, strict=False)]


def _history(run: Run, one: Selection) -> Strip:
    """The newest listings of the history that a list was made for, each once."""
    if one.history:
        names = [event.listing for event in one.history]
    else:
        log, ids = run.log, run.market.listings[C.LISTING]
        moment = None if one.at is None else moment_in_log(one.at, log.timed)
        start, end = log.history_at(user_number(run, one.query), moment)
        names = [str(ids.iat[int(row)]) for row in log.listing[start:end]]
    newest = list(dict.fromkeys(reversed(names)))
    more = f"The newest {NEWEST} of {len(newest):,}." if len(newest) > NEWEST else ""
    who = f"History of {one.query}" if one.query else "The history"
    return Strip(
        f"{who}, newest first", [photo_of(run.market, name, "") for name in newest[:NEWEST]], more=more
    )


def _mapped(view: View, run: Run, params: Mapping[str, str]) -> View:
    """The map, on a day with what was live; of a group or a region its listings as well."""
    found = listings_map(run, params.get("space"))
    if found is None:
        return replace(view, told="The map of this run is not drawn yet; the explorer draws it on its page.")
    drawn, rows, places = found
    keep, said = np.ones(len(rows), bool), []
    days = MarketDays.of(run.log, run.catalogue) if "day" in params else None
    day = None if days is None else days.number(params["day"])
    if days is not None and day is not None:
        keep = days.live(day)[rows]
        said.append(f"On {days.date(day)} {int(keep.sum()):,} of {count(len(rows), 'listing')} were live.")
    chosen, label = _chosen(drawn, places, params)
    lit = keep if chosen is None else keep & chosen
    if chosen is None:
        sizes = np.bincount(drawn.cluster[lit & (drawn.cluster >= 0)], minlength=len(drawn.groups)).tolist()
        groups = [(name, size) for (name, _), size in zip(drawn.groups, sizes, strict=True)]
        shown = replace(drawn, cluster=np.where(lit, drawn.cluster, -1), groups=groups)
        return replace(view, map=thinned(shown), told=" ".join(said))
    shown = replace(drawn, cluster=np.where(lit, 0, -1), groups=[(label, int(lit.sum()))])
    names = run.market.listings[C.LISTING].iloc[rows[lit]].tolist()
    more = f"The first {ROWS} of {len(names):,}." if len(names) > ROWS else ""
    strip = Strip(
        f"{label}: {count(len(names), 'listing')}", _photos(run, names, [""] * len(names)), more=more
    )
    return replace(view, map=thinned(shown), strips=[strip], told=" ".join(said))


def _chosen(drawn: Map, places: np.ndarray, params: Mapping[str, str]) -> tuple[np.ndarray | None, str]:
    """(n,) bool, the region or the group that an address names, and what it is called; None for neither."""
    outline, group = read_outline(params.get("region", "")), params.get("group", "")
    if outline is not None:
        return inside(places, outline), "The region"
    if group.isdecimal() and int(group) < len(drawn.groups):
        return drawn.cluster == int(group), drawn.groups[int(group)][0]
    return None, ""


def _launched(view: View, run: Run, params: Mapping[str, str]) -> View:
    """A listing on paper: its values, how many users it would reach, and what stands beside it."""
    try:
        cells = json.loads(params["draft"]) if "draft" in params else None
    except (ValueError, RecursionError):
        cells = None
    like = params.get("like") if params.get("like") in run.market.listing_row else None
    if not isinstance(cells, dict) and like is None:
        return replace(view, told="Nothing was filled in on this page yet.")
    document: dict[str, Any] = {"like": like} if not isinstance(cells, dict) else {}
    if isinstance(cells, dict):
        cover = whole(params, "cover", 1, 1, 1000)
        call = LaunchCall.of(run.market, cells, like, params.get("photos") != "0", cover)
        document = dict(call.document)
    found = launch(run, document, advise=False)
    labels = {item.name: _labelled(run.market, item) for item in run.market.attributes}
    shown, years = cells if isinstance(cells, dict) else {}, years_of(run.market)
    facts = [
        (labels.get(str(name), str(name)), _text(value, name not in years)) for name, value in shown.items()
    ]
    told = (
        f"{len(found.audience):,} of {count(found.users, 'user')} would have it among their first {found.k}"
        + (f", in the middle at place {found.median_rank:,.0f}." if found.median_rank is not None else ".")
    )
    scores = [f"similarity {score:.2f}" for score in found.competitors["score"]]
    strips = [
        Strip("Live listings nearest to it", _photos(run, found.competitors[C.LISTING].tolist(), scores))
    ]
    if like is not None:
        strips.insert(0, Strip("Made from", [photo_of(run.market, like, "")]))
    return replace(view, facts=facts, told=told, strips=strips)


def _labelled(market: Market, item: Attribute) -> str:
    unit = said_unit(market, item)
    return f"{item.label} ({unit})" if unit and item.shown_as != "place" else item.label


def _text(value: Any, grouped: bool) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return number(value, grouped=grouped) if isinstance(value, int | float) else str(value)
