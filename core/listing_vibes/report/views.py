"""The views of a deck: what a page of the explorer shows at a URL, as photos, a map or a figure that fits on a slide."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import newest_listings, opened_later, recent_lists
from listing_vibes.insight.beats import five_beats
from listing_vibes.insight.comparison import compare
from listing_vibes.insight.disagreements import (
    LISTED,
    SHOWN,
    Disagreement,
    describe_query,
    first_lists,
    usual_baseline,
)
from listing_vibes.insight.drafts import launch_document
from listing_vibes.insight.launch import Crowd, launch
from listing_vibes.insight.map.parts import chosen_by
from listing_vibes.insight.map.space_map import map_of
from listing_vibes.insight.probes import probe_run
from listing_vibes.insight.rankings import distinct_examples, ranking_name
from listing_vibes.insight.selection.pages import page_of, selections
from listing_vibes.insight.selection.params import Params
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.market.amounts import display_unit, years_of
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.moments import moment_in_log
from listing_vibes.report.figures import Map, Photo, Row, Rows, map_figure, photos_of
from listing_vibes.report.text import ablation, bars, not_measured, slices_of
from listing_vibes.run.describe import cell_text
from listing_vibes.run.histories import user_number
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING
from listing_vibes.words import count

#: The runs of a deck by the name that a URL gives them, the default one first.
Runs = Mapping[str, Run]
WIDE, LONG = 6, 12  # photos in a row, and of a list without a lead
AUDIENCE = 2  # users of the audience of a new listing that are shown
REACHED = 500  # users of whom a draft would reach some
BESIDE = 4  # photos in a row of one of two columns
TALL_ROWS = 3  # of a wall of tall photos, since a slide would cut more rows


@dataclass(frozen=True)
class Strip:
    """Listings under a label, `wide` in a row."""

    label: str
    photos: Sequence[Photo]
    wide: int = WIDE

    @property
    def rows(self) -> int:
        """Return the number of rows of photos."""
        return -(-len(self.photos) // self.wide)


@dataclass(frozen=True)
class View:
    """The visual of a slide."""

    text: str = ""
    lead: Photo | None = None  # the listing that the others are compared with, shown large
    columns: Sequence[Sequence[Strip]] = ()  # strips, in columns side by side
    map: Map | None = None
    rows: Rows | None = None
    facts: Sequence[tuple[str, str]] = ()
    is_wall: bool = False  # photos without captions

    @property
    def photos(self) -> list[Photo]:
        """Return the listings of the strips that have a cover."""
        return [
            photo for column in self.columns for strip in column for photo in strip.photos if photo.has_cover
        ]


def view_of(runs: Runs, url: str) -> View:
    """Return what the explorer shows at a URL; a view without a visual has the reason as its text."""
    try:
        page, params = page_of(url)
        name = params.get("run") or next(iter(runs))
        _run(runs, name)
        show = PAGES.get(page, _lists)
        return show(runs, name, Params(params | {"url": url}))
    except VibesError as error:
        return View(str(error))


def _run(runs: Runs, name: str) -> Run:
    if name not in runs:
        raise VibesError(f"This view is of the run '{name}', which is not part of this deck.")
    return runs[name]


def _lists(runs: Runs, name: str, params: Params) -> View:
    """Show similar listings, found photos, or what histories are recommended."""
    run = runs[name]
    lists = selections(run, params["url"])
    if lists[0].kind == "recommend":
        return View(columns=[_recommended(run, item, len(lists) > 1) for item in lists])
    if lists[0].kind == "search":
        strip = _strip(run, f"Photos that look like “{lists[0].query}”", lists[0], LONG)
        return View(columns=[[strip]])
    alone = len(lists) == 1
    strips = [
        _strip(run, f"Most alike by {item.label.lower()}", item, WIDE, 3 if alone else WIDE) for item in lists
    ]
    return View(lead=Photo(run.market, lists[0].query), columns=[strips])


def _strip(run: Run, label: str, selection: Selection, most: int, wide: int = WIDE) -> Strip:
    """Return the first listings of a list with their scores."""
    rows = selection.frame(run).head(most)
    word = "score" if selection.rules.moves_scores else "similarity"
    lines = [f"{word} {score:.2f}" for score in rows["score"]]
    return Strip(label, photos_of(run.market, rows[C.LISTING].tolist(), lines), wide)


def _recommended(run: Run, selection: Selection, beside: bool) -> list[Strip]:
    """Return the newest listings of a history, the oldest of them first, and the list for it with what the user opened next."""
    wide = BESIDE if beside else WIDE
    newest, later = _history(run, selection)
    label = selection.label or (f"History of {selection.query}" if selection.query else "The history")
    listed = selection.frame(run)[C.LISTING].tolist()
    hits = len(later & set(listed))
    opened = f"; {hits} of the {len(listed)} were opened later" if later else ""
    lines = [f"no. {rank}" for rank in range(1, 2 * wide + 1)]
    photos = photos_of(run.market, listed[: 2 * wide], lines, later)
    return [
        Strip(label, photos_of(run.market, newest[:wide][::-1]), wide),
        Strip(f"Recommended{opened}", photos, wide),
    ]


def _history(run: Run, selection: Selection) -> tuple[list[str], set[str]]:
    """Return the distinct listings of a list's history, newest first, and those that the user interacted with later."""
    if selection.history:
        return list(dict.fromkeys(event.listing for event in reversed(selection.history))), set()
    user = user_number(run, selection.query)
    moment = None if selection.at is None else moment_in_log(selection.at, run.log.timed)
    newest = newest_listings(run, user, moment)
    return newest, opened_later(run, user, moment) - set(newest)


def _home(runs: Runs, name: str, params: Params) -> View:
    """Show one of the five beats, by default how good the recommendations are."""
    run = runs[name]
    beat = next((beat for beat in five_beats(run) if beat.key == params.get("beat", "recall")), None)
    if beat is None:
        raise VibesError(not_measured(run))
    strips = [photos_of(run.market, strip.listings, hits=strip.hits) for strip in beat.strips]
    labels = [strip.label for strip in beat.strips]
    if beat.bars:
        return View(rows=bars(beat.bars))
    if beat.key == "vibes":
        tall = median(photo.shape for photos in strips for photo in photos) < 1
        rows = TALL_ROWS if tall else None
        return View(columns=[[Strip("", photos[:rows], 1)] for photos in strips], is_wall=True)
    if len(strips[0]) == 1:
        wide = 3 if len(strips) == 2 else max(map(len, strips))
        shown = [Strip(label, photos, wide) for label, photos in zip(labels[1:], strips[1:], strict=True)]
        return View(lead=strips[0][0], columns=[shown])
    # A visitor: the history on the left, the list on the right.
    columns = [
        [Strip(label, photos, -(-len(photos) // 2))] for label, photos in zip(labels, strips, strict=True)
    ]
    return View(columns=columns)


def _map(runs: Runs, name: str, params: Params) -> View:
    """Show the map, for a day with its active listings; for a group or a region also its listings."""
    drawn, text = map_of(runs[name], params.get("space")), ""
    chosen = chosen_by(drawn, params)
    if day := params.get("day"):
        active = int(chosen_by(drawn, {"day": day}).sum())
        text = f"On {day} {active:,} of {count(len(drawn.rows), 'listing')} were active."
    if params.get("region"):
        label = "The region"
    elif params.get("group"):
        label = drawn.names[int(params["group"])]
    elif params.get("where"):
        label = "The selection"
    else:
        return View(text, map=map_figure(drawn, np.where(chosen, drawn.cluster, -1), drawn.names))
    names = drawn.ids[chosen].tolist()
    strip = Strip(f"{label}: {count(len(names), 'listing')}", photos_of(drawn.run.market, names[:LONG]), 3)
    return View(text, map=map_figure(drawn, np.where(chosen, 0, -1), [label]), columns=[[strip]])


def _cold(runs: Runs, name: str, params: Params) -> View:
    """Show a listing without events with its first audience, a draft, or the recall by what is known."""
    run = runs[name]
    if "listing" in params:
        return _newcomer(run, params)
    if params.get("view") == "new":
        return _draft(run, params)
    rows = slices_of(run.metrics or {})
    if rows is None:
        raise VibesError(not_measured(run))
    return View("Cold means: without an event in the training.", rows=rows)


def _newcomer(run: Run, params: Params) -> View:
    """Show a listing, the nearest ones, and what the users looked at who would get it first."""
    (selection,) = selections(run, params["url"])
    text, strips = "", [_strip(run, "Nearest to it", selection, WIDE)]
    if len(run.log):
        lists = recent_lists(run)
        mine = lists[lists[C.LISTING] == selection.query].sort_values("rank", kind="stable").head(AUDIENCE)
        text = (
            f"{(lists[C.LISTING] == selection.query).sum():,} of the last {count(lists[C.USER].nunique(), 'visitor')} "
            f"would find it among their first {K}."
        )
        strips += [_visitor(run, *item) for item in zip(mine[C.USER], mine["rank"], strict=True)]
    return View(text, Photo(run.market, selection.query), [strips])


def _visitor(run: Run, user: str, rank: int) -> Strip:
    """Return the newest listings of a user for whom a listing has this rank."""
    newest = newest_listings(run, run.user_number[user])[:WIDE]
    return Strip(f"No. {rank} for {user}, who looked at", photos_of(run.market, newest))


def _draft(run: Run, params: Params) -> View:
    """Show the values of a draft, the number of users it would reach, and its nearest listings."""
    try:
        cells = json.loads(params.get("draft", "null"))
    except (ValueError, RecursionError):
        cells = None
    like = params.get("like") if params.get("like") in run.market.listing_row else None
    if isinstance(cells, dict):
        cover = params.number("cover", 1, 1, 1000)
        document = launch_document(run.market, cells, like, params.get("photos") != "0", cover)
    elif like is not None:
        cells, document = {}, {"like": like}
    else:
        raise VibesError("Nothing was filled in on this page yet.")
    result = launch(run, document, advise=False, crowd=Crowd.of(run, REACHED))
    years = years_of(run.market)
    labels = {item.name: _label(run.market, item) for item in run.market.attributes}
    facts = [
        (labels.get(name) or str(name), cell_text(value, name not in years)) for name, value in cells.items()
    ]
    text = f"{len(result.audience):,} of {count(result.users, 'user')} would have it among their first {result.k}"
    if result.median_rank is not None:
        text += f", at a median rank of {result.median_rank:,.0f}"
    near = result.competitors.head(WIDE)
    lines = [f"similarity {score:.2f}" for score in near["score"]]
    photos = photos_of(run.market, near[C.LISTING].tolist(), lines)
    first = result.audience.head(1)
    visitors = [_visitor(run, *item) for item in zip(first[C.USER], first["rank"], strict=True)]
    strips = [Strip("Active listings nearest to it", photos, 3), *visitors]
    return View(f"{text}.", None if like is None else Photo(run.market, like), [strips], facts=facts)


def _label(market: Market, item: Attribute) -> str:
    unit = display_unit(market, item)
    return f"{item.label} ({unit})" if unit and item.shown_as != "place" else item.label


def _compare(runs: Runs, name: str, params: Params) -> View:
    """Show where two rankings differ, the ablation, the lists of two runs, or what is predicted from photos."""
    match params.get("part", "queries"):
        case "ablation":
            rows = ablation(runs[name])
            if rows is None:
                raise VibesError("This run has no ablation; make one with `vibes ablate`.")
            note = "Against its reference, ▲ is better and ▼ is worse (p < .05 after Holm's correction)."
            return View(note, rows=rows)
        case "runs":
            other = params.get("with") or next((other for other in runs if other != name), name)
            (selection,) = selections(runs[name], params["url"])
            labels = {each: f"First by {each}" for each in dict.fromkeys([name, other])}
            columns = [
                [_strip(_run(runs, each), label, selection, LONG, BESIDE)] for each, label in labels.items()
            ]
            lead = Photo(runs[name].market, selection.query) if selection.kind == "similar" else None
            return View(lead=lead, columns=columns)
        case "photos":
            return _probes(runs[name], params.get("probe", ""))
    return _disagreements(runs, name, params)


def _probes(run: Run, question: str) -> View:
    label = {item.name: item.label for item in run.market.attributes}.get(question, question)
    rows = [
        Row(row["space"], max(row["value"], 0.0), max(row["low"], 0.0), max(row["high"], 0.0))
        for row in probe_run(run, question).to_dict("records")
    ]
    caption = f"Share of the variance of {label} that is predicted from each space, with 95 % intervals."
    return View(rows=Rows(rows, caption))


def _disagreements(runs: Runs, name: str, params: Params) -> View:
    """Show the query on which each of two rankings was better by the most, side by side."""
    baseline = usual_baseline(runs[name])
    if baseline is None and "b" not in params:
        raise VibesError(not_measured(runs[name]))
    pairs = [
        params.get("a", f"{name}/{DEFAULT_RANKING}").rpartition("/")[::2],
        params.get("b", f"{name}/{baseline}").rpartition("/")[::2],
    ]
    (first, scorer), (second, other) = pairs
    ahead = compare(_run(runs, first), _run(runs, second), scorer, other).ahead
    words = [ranking_name(scorer), ranking_name(other)] if first == second else [f"{first}", f"{second}"]
    sides = distinct_examples(*ahead, SHOWN)
    rows = pd.concat(sides, ignore_index=True)
    lists = [first_lists(runs[run], ranking, rows, LISTED) for run, ranking in pairs]
    columns = [
        _disagreement(runs[first], query, words, [part[at][:BESIDE] for part in lists])
        for at, row in enumerate(rows.to_dict("records"))
        if at in (0, len(sides[0])) and (query := describe_query(runs[first], row)) is not None
    ]
    within = ["our model" if name == DEFAULT_RANKING else name for name in (scorer, other)]
    left, right = within if first == second else words
    text = (
        f"{words[0]} ranked the next listing higher on {count(len(ahead[0]), 'query', 'queries')}, {words[1]} on "
        f"{len(ahead[1]):,}. Left: where {left} was ahead most; right: where {right} was."
    )
    return View(text, columns=columns)


def _disagreement(
    run: Run, query: Disagreement, words: Sequence[str], lists: Sequence[Sequence[str]]
) -> list[Strip]:
    """Return the history and the next listing of a query, and what both rankings list first."""
    history = photos_of(run.market, query.history[: BESIDE - 1][::-1])
    opened = Photo(run.market, query.target, "opened next", is_hit=True)
    strips = [Strip(f"What {query.user} looked at, and opened next", [*history, opened], BESIDE)]
    for word, rank, listed in zip(words, query.ranks, lists, strict=True):
        photos = photos_of(run.market, listed, hits=[query.target])
        strips.append(Strip(f"{word} had it at no. {rank:,}; its first", photos, BESIDE))
    return strips


PAGES = {"": _home, "map": _map, "cold": _cold, "compare": _compare}
