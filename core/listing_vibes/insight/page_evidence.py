"""The evidence of a page of the explorer by its URL: what the page shows, and what a slide of it draws."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import audience_share, newest_listings, opened_later, recent_lists
from listing_vibes.insight.comparison import compare
from listing_vibes.insight.disagreements import (
    LISTED,
    SHOWN,
    Disagreement,
    describe_query,
    first_lists,
    usual_baseline,
)
from listing_vibes.insight.evidence import Bar, Evidence, Strip
from listing_vibes.insight.home import dots_of, home_evidence
from listing_vibes.insight.launch import draft_evidence, seen_by
from listing_vibes.insight.map.parts import chosen_by
from listing_vibes.insight.map.space_map import map_of
from listing_vibes.insight.probes import probe_market
from listing_vibes.insight.quality import ablation_evidence, not_measured, quality_evidence, slices_evidence
from listing_vibes.insight.rankings import distinct_examples, ranking_name
from listing_vibes.insight.selection.page_lists import Selection, page_of, selections
from listing_vibes.insight.selection.url_parameters import Params
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import title_of
from listing_vibes.market.moments import moment_in_log
from listing_vibes.run.histories import user_number
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING
from listing_vibes.words import count, cut, percent

#: The runs of a deck by the name that a URL gives them, the default one first.
Runs = Mapping[str, Run]
LIST = 12  # listings of a list on a slide
TITLE = 60  # characters of a title in a headline
AUDIENCE = 2  # users of the audience of a new listing that are shown
BESIDE = 4  # listings of a list beside others
BY = {"model": "what the model learned", "photos": "photos alone", "attributes": "attributes alone"}


def evidence_of(runs: Runs, url: str) -> Evidence:
    """Return what a page of the explorer shows at a URL.

    Raises:
        VibesError: there is nothing to show, such as no chosen listing; the sentence says what to do first.
    """
    page, params = page_of(url)
    name = params.get("run") or next(iter(runs))
    _run(runs, name)
    evidence = PAGES.get(page, _lists)(runs, name, Params(params | {"url": url}))
    return evidence.model_copy(update={"url": url})


def prepare_evidence(run: Run) -> None:
    """Compute and cache what takes seconds: the evidence of the first page, and what is predicted from photos."""
    home_evidence(run)
    with suppress(VibesError):  # without photos
        photos_evidence(run)


def _run(runs: Runs, name: str) -> Run:
    if name not in runs:
        raise VibesError(f"This view is of the run '{name}', which is not part of this deck.")
    return runs[name]


def _lists(runs: Runs, name: str, params: Params) -> Evidence:
    """Show similar listings, found photos, or what histories are recommended."""
    run = runs[name]
    lists = selections(run, params["url"])
    if lists[0].kind == "recommend":
        return _recommended(run, lists)
    if lists[0].kind == "search":
        headline = f"Photos that look like “{cut(lists[0].query, TITLE)}”"
        return Evidence(
            key="search", url="/", headline=headline, picture="Listings by the photo that fits best, the best first.",
            columns=((_strip(run, "", lists[0]),),),
        )  # fmt: skip
    title = cut(title_of(run.market, lists[0].query), TITLE)
    alone = len(lists) == 1
    by = BY.get(lists[0].space or "", lists[0].label.lower())
    return Evidence(
        key="similar",
        url="/",
        headline=f"What is most like “{title}”" + (f", by {by}" if alone else ""),
        picture="The chosen listing at the left, the most similar ones at its right, the most similar first.",
        lead=lists[0].query,
        columns=(
            tuple(
                _strip(run, "" if alone else f"By {item.label.lower()}", item, LIST if alone else BESIDE)
                for item in lists
            ),
        ),
    )


def _strip(run: Run, label: str, selection: Selection, most: int = LIST) -> Strip:
    """Return the first listings of a list."""
    listings = selection.frame(run).head(most)[C.LISTING].tolist()
    return Strip(label=label, listings=tuple(listings), is_ranked=True)


def _recommended(run: Run, lists: Sequence[Selection]) -> Evidence:
    """Show the newest listings of each history, the oldest of them first, and the list for it with what the user opened next."""
    columns, headlines = [], []
    for selection in lists:
        newest, later = _history(run, selection)
        listed = selection.frame(run)[C.LISTING].tolist()
        hits = [listing for listing in listed if listing in later]
        who = selection.query or "this history"
        found = f"{len(hits)} of the {len(listed)} listings that we list for {who} were opened later"
        headlines.append(found if hits else f"What we list for {who}")
        columns.append(
            (
                Strip(label=selection.label or "What they had looked at", listings=tuple(newest[:6][::-1])),
                Strip(label="Our list", is_ranked=True, listings=tuple(listed[:LIST]), hits=tuple(hits)),
            )
        )
    both = len(columns) > 1
    return Evidence(
        key="recommend",
        url="/",
        headline="What we list for two histories" if both else headlines[0],
        picture="A history, its newest listing last, and the list for it, the best first; a frame marks what was opened next.",
        columns=tuple(columns) if both else tuple((strip,) for strip in columns[0]),
    )


def _history(run: Run, selection: Selection) -> tuple[list[str], set[str]]:
    """Return the distinct listings of a list's history, newest first, and those that the user interacted with later."""
    if selection.history:
        return list(dict.fromkeys(event.listing for event in reversed(selection.history))), set()
    user = user_number(run, selection.query)
    moment = None if selection.at is None else moment_in_log(selection.at, run.log.timed)
    newest = newest_listings(run, user, moment)
    return newest, opened_later(run, user, moment) - set(newest)


def _home(runs: Runs, name: str, params: Params) -> Evidence:
    """Show one item of the first page, by default the first."""
    run = runs[name]
    if "details" in params:
        evidence = quality_evidence(run)
        if evidence is None:
            raise VibesError(not_measured(run))
        return evidence
    items = home_evidence(run)
    part = params.get("part") or (items[0].key if items else "")
    for item in items:
        if item.key == part:
            return item
    raise VibesError(not_measured(run) if part == "recall" else "This market is too small for an overview.")


def _map(runs: Runs, name: str, params: Params) -> Evidence:
    """Show the map, for a day with its active listings; for a group or a region also its listings."""
    drawn = map_of(runs[name], params.get("space"))
    chosen, total = chosen_by(drawn, params), len(drawn.rows)
    by = "in the city" if drawn.grouped_by else f"by {BY.get(drawn.space, drawn.space)}"
    sentence = "Similar listings are close to each other." if drawn.grouped_by is None else ""
    if day := params.get("day"):
        active = int(chosen_by(drawn, {"day": day}).sum())
        sentence = f"On {day} {active:,} of {count(total, 'listing')} were active."
    label = ""
    if params.get("region"):
        label = "The region"
    elif params.get("group"):
        number = int(params["group"])
        label = f"“{drawn.names[number]}”" if drawn.is_named(number) else "This group"
    elif params.get("where"):
        label = "The selection"
    evidence = Evidence(
        key="map",
        url="/",
        headline=f"{count(total, 'listing')} in {len(drawn.groups)} groups, {by}",
        sentence=sentence,
        population=count(total, "listing"),
        picture=f"Listings as dots {by}, in the color of their group.",
        dots=dots_of(drawn, None if not (label or day) else chosen),
    )
    if not label:
        return evidence
    size = int(chosen.sum())
    share = percent(size / max(total, 1), 0, bounds=("under ", "over "))
    first = drawn.ids[chosen][:LIST]
    if params.get("group") and not params.get("region"):
        first = [
            listing
            for listing in drawn.ids[drawn.typical(int(params["group"]), total)]
            if chosen[drawn.ids == listing].any()
        ][:LIST]
    return evidence.model_copy(
        update={
            "headline": f"{label} has {count(size, 'listing')}, {share} of the market",
            "columns": ((Strip(listings=tuple(map(str, first))),),),
        }
    )


def _cold(runs: Runs, name: str, params: Params) -> Evidence:
    """Show a listing without events with its first audience, a draft, or the recall by what is known."""
    run = runs[name]
    if "listing" in params:
        return _newcomer(run, params)
    if params.get("view") == "figures":
        evidence = slices_evidence(run)
        if evidence is None:
            raise VibesError(not_measured(run))
        return evidence
    if params.get("view") == "listings":
        raise VibesError("Choose one of the new listings first.")
    return draft_evidence(run, params)


def _newcomer(run: Run, params: Params) -> Evidence:
    """Show a listing, the nearest ones, and what the users looked at who would get it first."""
    (selection,) = selections(run, params["url"])
    title = cut(title_of(run.market, selection.query), TITLE)
    strips, headline, population = (
        [_strip(run, "Nearest to it", selection, 6)],
        f"“{title}” and what is nearest to it",
        "",
    )
    if len(run.log):
        lists, active = recent_lists(run)
        own = lists[lists[C.LISTING] == selection.query].sort_values("rank", kind="stable")
        headline = f"“{title}” reaches {audience_share(active.share(len(own)))}"
        population = active.describe()
        strips += [seen_by(run, *item) for item in zip(own[C.USER].head(AUDIENCE), own["rank"], strict=False)]
    return Evidence(
        key="newcomer",
        url="/",
        headline=headline,
        sentence=f"They would find it among their first {K}." if population else "",
        population=population,
        picture="The listing at the left; at the right the nearest ones, and what users in its audience looked at last.",
        lead=selection.query,
        columns=(tuple(strips),),
    )


def _compare(runs: Runs, name: str, params: Params) -> Evidence:
    """Show where two rankings differ, the ablation, the lists of two runs, or what is predicted from photos."""
    match params.get("part", "queries"):
        case "ablation":
            evidence = ablation_evidence(runs[name])
            if evidence is None:
                raise VibesError("This run has no ablation; make one with `vibes ablate`.")
            return evidence
        case "runs":
            return _two_runs(runs, name, params)
        case "photos":
            return photos_evidence(runs[name])
    return _disagreements(runs, name, params)


def _two_runs(runs: Runs, name: str, params: Params) -> Evidence:
    other = params.get("with") or next((other for other in runs if other != name), name)
    (selection,) = selections(runs[name], params["url"])
    lists = [selection.frame(_run(runs, each))[C.LISTING].tolist() for each in dict.fromkeys([name, other])]
    both, length = len(set(lists[0]) & set(lists[-1])), max(map(len, lists))
    columns = [
        (Strip(label=f"First by {each}", is_ranked=True, listings=tuple(listed[:LIST])),)
        for each, listed in zip(dict.fromkeys([name, other]), lists, strict=True)
    ]
    return Evidence(
        key="runs",
        url="/",
        headline=f"The lists of {name} and {other} share {both} of {length} listings",
        picture="The lists of both runs side by side, the best first.",
        lead=selection.query if selection.kind == "similar" else "",
        columns=tuple(columns),
    )


def photos_evidence(run: Run) -> Evidence:
    """Show how well each number of the market is predicted from photos alone, the best first."""
    labels = {item.name: item.label for item in run.market.attributes}
    rows = probe_market(run)
    bars = tuple(
        Bar(
            label=labels.get(name, name),
            value=max(value, 0.0),
            low=max(low, 0.0),
            high=max(high, 0.0),
            kind="model",
        )
        for name, value, low, high in rows
    )
    if not bars:
        raise VibesError("This market has no number, such as a price or an area, that photos could predict.")
    best, worst = bars[0], bars[-1]
    more = f", {worst.label} {percent(worst.value, 0)}" if len(bars) > 1 else ""
    return Evidence(
        key="photos",
        url="/compare?part=photos",
        headline=f"Photos alone tell {best.label} to {percent(best.value, 0)}{more}",
        sentence="The share of the differences between listings that a linear model predicts from their photos (R²).",
        population=count(len(run.market.cover), "listing") + " with photos",
        picture="A bar for each number of the market, from 0 (chance) to 100%. Line: 95% interval.",
        bars=bars,
    )


def _disagreements(runs: Runs, name: str, params: Params) -> Evidence:
    """Show the query on which each of two rankings was better by the most, side by side."""
    baseline = usual_baseline(runs[name])
    if baseline is None and "b" not in params:
        raise VibesError(not_measured(runs[name]))
    pairs = [
        params.get("a", f"{name}/{DEFAULT_RANKING}").rpartition("/")[::2],
        params.get("b", f"{name}/{baseline}").rpartition("/")[::2],
    ]
    (first, scorer), (second, other) = pairs
    comparison = compare(_run(runs, first), _run(runs, second), scorer, other)
    words = [ranking_name(scorer), ranking_name(other)] if first == second else [f"{first}", f"{second}"]
    sides = distinct_examples(*comparison.ahead, SHOWN)
    rows = pd.concat(sides, ignore_index=True)
    lists = [first_lists(runs[run], ranking, rows, LISTED) for run, ranking in pairs]
    columns = [
        _disagreement(query, words, [part[at][:BESIDE] for part in lists])
        for at, row in enumerate(rows.to_dict("records"))
        if at in (0, len(sides[0])) and (query := describe_query(runs[first], row)) is not None
    ]
    ahead = [len(side) for side in comparison.ahead]
    return Evidence(
        key="queries",
        url="/compare",
        headline=f"{words[0]} ranked the next listing higher in {ahead[0]:,} cases, {words[1]} in {ahead[1]:,}",
        sentence=f"Left: the case where {words[0]} was ahead most; right: where {words[1]} was.",
        population=f"{count(len(comparison.queries), 'test query', 'test queries')} of {count(comparison.users, 'user')}",
        picture="For each case the history with what was opened next, and the first of both lists.",
        columns=tuple(columns),
        for_analysts=True,
    )


def _disagreement(
    query: Disagreement, words: Sequence[str], lists: Sequence[Sequence[str]]
) -> tuple[Strip, ...]:
    """Return the history and the next listing of a query, and what both rankings list first."""
    history = tuple(query.history[: BESIDE - 1][::-1])
    strips = [
        Strip(label="Looked at, and opened next", listings=(*history, query.target), hits=(query.target,))
    ]
    for word, rank, listed in zip(words, query.ranks, lists, strict=True):
        strips.append(
            Strip(
                label=f"{word} had it at no. {rank:,}; its first",
                listings=tuple(listed),
                hits=(query.target,),
            )
        )
    return tuple(strips)


PAGES = {"": _home, "map": _map, "cold": _cold, "compare": _compare}
