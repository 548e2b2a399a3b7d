"""Views that were pinned in the explorer, as sections of the report with their notes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.launch.drafts import LaunchCall
from listing_vibes.insight.launch.launch import launch
from listing_vibes.insight.map.region import inside, read_outline
from listing_vibes.insight.selection.pages import page_of, selections
from listing_vibes.insight.selection.params import whole
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.market.amounts import display_unit, number, years_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.moments import moment_in_log
from listing_vibes.report.figures import Map
from listing_vibes.report.looks import Photo, listings_map, photo_of, thinned
from listing_vibes.run.histories import user_number
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

MOST, ROWS, NEWEST = (
    60,
    24,
    6,
)  # maximum number of views of a report, listings of a list, and events of a history
#: Pages with results, which have separate sections in the report.
FIGURES = {
    "": "The figures of this page stand below, under “How good are the recommendations?”.",
    "compare": "What was compared on this page is no list; where it was measured, it stands below, under “What is each part worth?”.",
    "cold": "What this page shows is no list; where it was measured, it stands below, under “For whom does it work?”.",
}
RunOf = Callable[[str | None], "Run | None"]


class Pin(BaseModel):
    """A view that was pinned: its URL from "/" on."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    url: str = Field(pattern="^/")
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Strip:
    """Listings under a title; the first is framed if the others are compared with it."""

    label: str
    photos: Sequence[Photo]
    framed: bool = False
    more: str = ""


@dataclass(frozen=True)
class View:
    """A pinned view in the report."""

    title: str
    note: str
    address: str
    strips: Sequence[Strip] = ()
    map: Map | None = None
    facts: Sequence[tuple[str, str]] = ()
    text: str = ""  # introduction, or the reason why the view is empty


def read_pins(path: Path) -> list[Pin]:
    """Read the pinned views of a file that the explorer saved.

    Raises:
        VibesError: the file cannot be read, or has no pinned views.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VibesError(f"Cannot read the pinned views {path}: {error}; check the path.") from error
    return pins_of(text, str(path))


def pins_of(text: str | bytes, name: str = "The file") -> list[Pin]:
    """Read the pinned views of a JSON document: `[{"title", "url", "note"}, ...]`.

    Raises:
        VibesError: the text is not such a document, or has more views than a report supports.
    """
    try:
        pins = TypeAdapter(list[Pin]).validate_json(text)
    except ValidationError as error:
        raise VibesError(
            f'{name} holds no pinned views; it must be a JSON list such as [{{"title": "Alike", "url": "/similar?listing=ID"}}].'
        ) from error
    if len(pins) > MOST:
        raise VibesError(f"{name} holds {len(pins):,} pinned views; a report supports {MOST}. Remove some.")
    return pins


def pinned_views(pins: Iterable[Pin], run_of: RunOf) -> list[View]:
    """Return each pinned view with its content, or with the reason why it cannot be shown.

    Args:
        run_of: returns the run of a name in a URL, None if it is not available; without a name the default run.
    """
    return [_view(pin, run_of) for pin in pins]


def _view(pin: Pin, run_of: RunOf) -> View:
    view = View(pin.title or pin.url, pin.note, pin.url)
    try:
        page, params = page_of(pin.url)
        run = run_of(params.get("run"))
        if run is None:
            raise VibesError(
                f"This view is of the run '{params.get('run')}', which is not part of the report."
            )
        if page == "map":
            return _map_view(view, run, params)
        if page == "cold" and params.get("view") == "new":
            return _launch_view(view, run, params)
        if page in FIGURES and not {"listing", "user"} & set(params):
            return replace(view, text=FIGURES[page])
        lists = selections(run, pin.url)
        return replace(view, strips=[strip for selection in lists for strip in _strips(run, selection)])
    except VibesError as error:
        return replace(view, text=str(error))


def _strips(run: Run, selection: Selection) -> list[Strip]:
    """Return the subject of a list, and the list."""
    rows = selection.frame(run)
    names = rows[C.LISTING].tolist()
    more = _more(names) if names else "The list is empty."
    if selection.kind == "similar":
        word = "score" if selection.rules.moves_scores else "similarity"
        lines = [f"{word} {score:.2f}" for score in rows["score"]]
        photos = [photo_of(run.market, selection.query, "the listing"), *_photos(run, names, lines)]
        return [Strip(f"Similar by {selection.space}", photos, True, more)]
    photos = _photos(run, names, [f"no. {rank}" for rank in range(1, len(names) + 1)])
    if selection.kind == "search":
        return [Strip(f"Photos that look like “{selection.query}”", photos, False, more)]
    return [_history(run, selection), Strip(selection.label or "Recommended", photos, False, more)]


def _more(names: Sequence[str], shown: int = ROWS, which: str = "first") -> str:
    return f"The {which} {shown} of {len(names):,}." if len(names) > shown else ""


def _photos(run: Run, names: Sequence[str], lines: Sequence[str]) -> list[Photo]:
    return [photo_of(run.market, name, line) for name, line in zip(names[:ROWS], lines, strict=False)]


def _history(run: Run, selection: Selection) -> Strip:
    """Return the newest distinct listings of the history of a list."""
    if selection.history:
        names = [event.listing for event in selection.history]
    else:
        log, ids = run.log, run.market.listings[C.LISTING]
        moment = None if selection.at is None else moment_in_log(selection.at, log.timed)
        start, end = log.history_at(user_number(run, selection.query), moment)
        names = [str(ids.iat[int(row)]) for row in log.listing[start:end]]
    newest = list(dict.fromkeys(reversed(names)))
    label = f"History of {selection.query}" if selection.query else "The history"
    photos = _photos(run, newest[:NEWEST], [""] * NEWEST)
    return Strip(f"{label}, newest first", photos, more=_more(newest, NEWEST, "newest"))


def _map_view(view: View, run: Run, params: Mapping[str, str]) -> View:
    """Show the map, for a day with its active listings; for a group or a region also its listings."""
    result = listings_map(run, params.get("space"))
    if result is None:
        raise VibesError("The map of this run is not drawn yet; the explorer draws it on its page.")
    drawn, rows, places = result
    is_shown, text = np.ones(len(rows), bool), ""
    days = MarketDays.of(run.log, run.catalogue) if "day" in params else None
    day = None if days is None else days.number(params["day"])
    if days is not None and day is not None:
        is_shown = days.live(day)[rows]
        text = f"On {days.date(day)} {int(is_shown.sum()):,} of {count(len(rows), 'listing')} were active."
    outline, group = read_outline(params.get("region", "")), params.get("group", "")
    if outline is not None:
        is_shown, label = is_shown & inside(places, outline), "The region"
    elif group.isdecimal() and int(group) < len(drawn.groups):
        is_shown, label = is_shown & (drawn.cluster == int(group)), drawn.groups[int(group)][0]
    else:
        cluster = np.where(is_shown, drawn.cluster, -1)
        sizes = np.bincount(cluster[cluster >= 0], minlength=len(drawn.groups)).tolist()
        groups = [(name, size) for (name, _), size in zip(drawn.groups, sizes, strict=True)]
        return replace(view, map=thinned(replace(drawn, cluster=cluster, groups=groups)), text=text)
    names = run.market.listings[C.LISTING].iloc[rows[is_shown]].tolist()
    strip = Strip(
        f"{label}: {count(len(names), 'listing')}", _photos(run, names, [""] * len(names)), more=_more(names)
    )
    shown = replace(drawn, cluster=np.where(is_shown, 0, -1), groups=[(label, len(names))])
    return replace(view, map=thinned(shown), strips=[strip], text=text)


def _launch_view(view: View, run: Run, params: Mapping[str, str]) -> View:
    """Show a draft: its values, the number of users it would reach, and its nearest listings."""
    try:
        cells = json.loads(params.get("draft", "null"))
    except (ValueError, RecursionError):
        cells = None
    like = params.get("like") if params.get("like") in run.market.listing_row else None
    if isinstance(cells, dict):
        cover = whole(params, "cover", 1, 1, 1000)
        call = LaunchCall.of(run.market, cells, like, params.get("photos") != "0", cover)
        document = dict(call.document)
    elif like is not None:
        cells, document = {}, {"like": like}
    else:
        raise VibesError("Nothing was filled in on this page yet.")
    result = launch(run, document, advise=False)
    labels = {item.name: _label(run.market, item) for item in run.market.attributes}
    years = years_of(run.market)
    facts = [
        (labels.get(str(name), str(name)), _text(value, name not in years)) for name, value in cells.items()
    ]
    size = f"{len(result.audience):,} of {count(result.users, 'user')} would have it among their first {result.k}"
    median = "" if result.median_rank is None else f", at a median rank of {result.median_rank:,.0f}"
    scores = [f"similarity {score:.2f}" for score in result.competitors["score"]]
    strips = [
        Strip("Active listings nearest to it", _photos(run, result.competitors[C.LISTING].tolist(), scores))
    ]
    if like is not None:
        strips.insert(0, Strip("Made from", [photo_of(run.market, like, "")]))
    return replace(view, facts=facts, text=f"{size}{median}.", strips=strips)


def _label(market: Market, item: Attribute) -> str:
    unit = display_unit(market, item)
    return f"{item.label} ({unit})" if unit and item.shown_as != "place" else item.label


def _text(value: Any, grouped: bool) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return number(value, grouped=grouped) if isinstance(value, int | float) else str(value)
