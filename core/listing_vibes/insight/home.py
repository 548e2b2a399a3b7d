"""The evidence of the first page: up to five statements about a run, computed at the end of `evaluate` and cached with the run."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.saved import RANK
from listing_vibes.insight.audience import audience_share, newest_listings, opened_later, recent_lists
from listing_vibes.insight.evidence import Bar, Dots, Evidence, Group, Strip
from listing_vibes.insight.map.cluster_names import FILE as NAMES
from listing_vibes.insight.map.region import SIZE
from listing_vibes.insight.map.space_map import LOCATION, SpaceMap, group_map, usual_space, with_street_map
from listing_vibes.insight.map.tones import tones_of
from listing_vibes.insight.map.vibe_map import embeddings_of
from listing_vibes.insight.rankings import best_baseline, load_rankings, query_moments
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.market.values import sample_rows
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, METRIC, method_name, uses_model
from listing_vibes.search.index import best
from listing_vibes.words import count, enumerated, percent

FILE = "home.json"
FORM = 2  # of the evidence; what an older release cached is computed again
COVERS, ALIKE = 6, 12  # listings of a group on the wall, and those that stay bright while one is pointed at
DOTS = 2000  # maximum number of dots of a map
SIX, QUERIES = 6, 200  # neighbors; listings that are tried
SAME = 0.97  # the cosine from which two listings are the same photos
HISTORY, LIST, TRIED = 6, 8, 8  # listings shown of a history and of a list; users that are tried
SHORTEST = 3  # events of a history
FIRST, LAST = 2, 3  # users of a newcomer's audience; listings of each
IMPRESSIVE = 0.02  # least share of users in an audience that is shown on the first page
_STORED = TypeAdapter(tuple[str, list[Evidence]])  # the digest of what it was computed from, and the evidence


def home_evidence(run: Run) -> list[Evidence]:
    """Return what the first page shows of a run; without what cannot be computed, such as lists of a model where torch is missing.

    >>> [item.key for item in home_evidence(run)][:2]
    ['groups', 'similar']
    """
    items: list[Evidence] = []
    with suppress(VibesError):  # raised after the last item
        items.extend(iterate_home_evidence(run))
    return items


def iterate_home_evidence(run: Run) -> Iterator[Evidence]:
    """Yield the evidence of the first page, from the run's cache where nothing changed since; otherwise compute and cache it.

    Raises:
        VibesError: an item cannot be computed; raised after the others.
    """
    names = run_cache_file(run.path, NAMES)
    digest = state_digest(run) + (names.read_text(encoding="utf-8") if names.is_file() else "")
    try:
        stored, items = _STORED.validate_json(run_cache_file(run.path, FILE).read_bytes())
    except (OSError, ValidationError):
        stored, items = "", []
    if stored == digest:
        yield from items
        return
    items = []
    parts: list[Callable[[Run], Evidence | None]] = [_looks, _groups, _similar, _user, _newcomer, _recall]
    failure: VibesError | None = None
    for compute in parts:
        try:
            item = compute(run)
        except VibesError as error:  # the others do not depend on it
            failure = failure or error
            continue
        if item is not None:
            items.append(item)
            yield item
    if failure is not None:
        raise failure
    with suppress(VibesError):  # without a cache that can be written it is computed again
        write_text(run_cache(run.path) / FILE, _STORED.dump_json((digest, items), indent=1).decode())


def state_digest(run: Run) -> str:
    """Return a digest of what is shown of a run: its embeddings, its market and its evaluation."""
    metrics = run.metrics or {}
    measured = metrics.get("queries"), metrics.get("results")
    parts = [FORM, embeddings_of(run), run.market.fingerprint, run.version, *measured]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _looks(run: Run) -> Evidence | None:
    """Show each group of the photo map by its most typical listings, and which listings on this wall are most alike."""
    drawn = group_map(run, "photos") if "photos" in run.spaces and run.market.cover else None
    if drawn is None or len(drawn.groups) < 2:
        return None
    vectors, ids = run.vectors("photos"), drawn.ids
    strips, rows = [], np.zeros(0, int)
    for number in drawn.groups:
        chosen = np.zeros(0, int)
        for at in drawn.typical(number, len(drawn.rows)):
            row = drawn.rows[at]
            if ids[at] in run.market.cover and (vectors[chosen] @ vectors[row] < SAME).all():
                chosen = np.append(chosen, row)
            if len(chosen) == COVERS:
                break
        share = drawn.sizes[number] / len(drawn.rows)
        note = (
            f"{count(int(drawn.sizes[number]), 'listing')} · {percent(share, 0, bounds=('under ', 'over '))}"
        )
        strips.append(
            Strip(
                label=drawn.names[number] if drawn.is_named(number) else "",
                listings=_ids(run, chosen),
                group=number,
                share=share,
                note=note,
            )
        )
        rows = np.concatenate([rows, chosen])
    cosines = vectors[rows] @ vectors[rows].T
    np.fill_diagonal(cosines, -np.inf)
    alike = np.argsort(-cosines, axis=1, kind="stable")[:, : min(ALIKE, len(rows) - 1)]
    names = [strip.label for strip in strips if strip.label]
    what = f", among them {enumerated([f'“{name}”' for name in names[:2]])}" if names else ""
    return Evidence(
        key="looks",
        url=_url("", part="looks"),
        more=_url("map", space="photos"),
        headline=f"{count(len(drawn.rows), 'listing')} in {len(strips)} looks{what}",
        sentence="Grouped by nothing but their photos. Point at a photo to see what is most like it; nobody labeled anything.",
        picture="A column for each group of listings that look alike, with the most typical photos of the group.",
        columns=tuple((strip,) for strip in strips),
        alike=tuple(map(tuple, alike.tolist())),
        is_wall=True,
    )


def _groups(run: Run) -> Evidence | None:
    """Show the groups of a market without photos on a map: the street map where there are coordinates."""
    if run.market.cover:
        return None
    drawn = group_map(run, usual_space(run.spaces))
    if drawn is None or len(drawn.groups) < 2:
        return None
    street = with_street_map({drawn.space: drawn}).get(LOCATION)
    shown = street or drawn
    largest = max(drawn.groups, key=lambda number: (drawn.is_named(number), drawn.sizes[number]))
    share = percent(drawn.sizes[largest] / len(drawn.rows), 0)
    name = f"; {share} are “{drawn.names[largest]}”" if drawn.is_named(largest) else ""
    how = "on the street map" if street else "by what they are"
    return Evidence(
        key="groups",
        url=_url("", part="groups"),
        more=_url("map", space=shown.space),
        headline=f"{count(len(drawn.rows), 'listing')} in {len(drawn.groups)} groups{name}",
        sentence=f"Each dot is a listing, {how}; its color is its group, found without any label.",
        picture=f"Listings as dots {how}, in the color of their group.",
        dots=dots_of(shown),
    )


def dots_of(
    drawn: SpaceMap,
    chosen: np.ndarray | None = None,
    near: np.ndarray | None = None,
    here: np.ndarray | None = None,
) -> Dots:
    """Return a map for print, of at most `DOTS` listings; only those of `chosen` (n,) are in the color of their group.

    Args:
        near: (n,) bool, the listings that are most like the one at `here`.
        here: (2,) the place of a listing, as `SpaceMap.landing` returns it.
    """
    at = sample_rows(len(drawn.rows), DOTS)
    places = _steps(drawn.places[at])
    cluster = drawn.cluster.astype(int) if chosen is None else np.where(chosen, drawn.cluster, -1)
    groups = tuple(
        Group(
            name=drawn.names[number],
            size=int(drawn.sizes[number]) if number < len(drawn.sizes) else 0,
            listing=str(drawn.ids[drawn.typical(number, 1)[0]]) if number in drawn.groups else "",
            is_named=drawn.is_named(number),
        )
        for number in range(drawn.clusters)
    )
    x, y, group = (tuple(part.tolist()) for part in (places[:, 0], places[:, 1], cluster[at]))
    return Dots(
        x=x,
        y=y,
        group=group,
        groups=groups,
        near=() if near is None else tuple(map(tuple, _steps(drawn.places[near]).tolist())),
        here=None if here is None else tuple(_steps(here).tolist()),
    )


def _steps(places: np.ndarray) -> np.ndarray:
    """Return places (..., 2) on the map's grid as steps of `Dots`."""
    return places.astype(int) * 1000 // SIZE


def _similar(run: Run) -> Evidence | None:
    """Return one of the listings opened most: the one whose neighbors stand out most, unless they have the same photos."""
    space = "photos" if "photos" in run.spaces and run.market.cover else run.spaces[0]
    rows = _with_cover(run, space)
    if len(rows) <= SIX:
        return None
    queries = rows[np.argsort(-run.log.counts()[rows], kind="stable")[:QUERIES]]
    if space == "photos":  # plain photos are nearest to each other, but show little
        chroma = tones_of(run.market, _ids(run, queries))["chroma"].fillna(0).to_numpy()
        queries = queries[chroma >= np.quantile(chroma, 2 / 3)]
    vectors = run.vectors(space)
    cosines = vectors[queries] @ vectors[rows].T
    typical = cosines.mean(axis=1)
    cosines[queries[:, None] == rows] = -np.inf
    nearest = best(cosines, SIX)[1]  # (Q, 6) cosines
    lead = nearest.mean(axis=1) - typical - (nearest.max(axis=1) > SAME)
    listing = run.listing_ids[queries[int(lead.argmax())]]
    neighbors = run.similar(listing, k=SIX, space=space)[C.LISTING].tolist()
    by = {
        "photos": "its photos alone",
        "model": "what the model learned",
        "attributes": "its attributes alone",
    }
    return Evidence(
        key="similar",
        url=_url("", part="similar"),
        more=_url("similar", listing=listing, space=space),
        headline=f"One listing, and the six most like it by {by.get(space, f'its {space}')}",
        sentence=f"Out of {count(len(rows), 'listing')} these six are nearest to the first.",
        picture="A listing at the left, the six most similar ones at its right, the most similar first.",
        lead=listing,
        columns=((Strip(label="Most like it", is_ranked=True, listings=tuple(neighbors)),),),
    )


def _user(run: Run) -> Evidence | None:
    """Return a user of the test period: of a few for whom the list is right, the one with most hits."""
    best, log = None, run.log
    for user, at in _moments(run):
        listed = run.recommend(log.users[user], k=LIST, at=at)[C.LISTING].tolist()
        opened = opened_later(run, user, at)
        hits = [name for name in listed if name in opened]
        if hits and (best is None or len(hits) > len(best[3])):
            best = user, at, listed, hits
    if best is None:
        return None
    user, at, listed, hits = best
    start, end = log.history_at(user, at)
    known, history = end - start, newest_listings(run, user, at)[:HISTORY][::-1]
    ranks = enumerated([f"{listed.index(hit) + 1}" for hit in hits])
    return Evidence(
        key="user",
        url=_url("", part="user"),
        more=_url("users", user=log.users[user], at=known),
        headline=f"Of our first {LIST} for this user, they went on to open no. {ranks}",
        sentence=f"From {count(known, 'event')} of one user we listed what comes next; a case where it worked.",
        picture="At the left what a user had looked at, at the right the list made then; a frame marks what they opened next.",
        columns=(
            (Strip(label="What they had looked at", listings=tuple(history)),),
            (Strip(label="Our list", is_ranked=True, listings=tuple(listed), hits=tuple(hits)),),
        ),
    )


def _moments(run: Run) -> list[tuple[int, int]]:
    """Return (user, moment in the log's time) of a few test queries, those that the default ranking answered best first."""
    if not len(run.log):
        return []
    frame = load_rankings(run)
    if frame is None:
        try:
            test = run.split().test
        except VibesError:  # too few events to test anything
            return []
        frame = pd.DataFrame({"user": test.user, "at": test.at, "rank": 0, "length": test.length})
    else:
        rank = RANK + DEFAULT_RANKING if RANK + DEFAULT_RANKING in frame else frame.columns[-1]
        users = frame[C.USER].map(run.user_number)
        columns = {"user": users, "at": query_moments(frame), "rank": frame[rank]}
        frame = pd.DataFrame({**columns, "length": frame["history_length"]}).dropna()
    frame = frame[frame["length"] >= SHORTEST]
    is_short = frame["length"] <= 2 * HISTORY
    ordered = frame.assign(is_long=~is_short).sort_values(["is_long", "rank"], kind="stable")
    ordered = ordered.drop_duplicates("user").head(TRIED)
    return [(int(user), int(at)) for user, at in zip(ordered["user"], ordered["at"], strict=True)]


def _newcomer(run: Run) -> Evidence | None:
    """Return the listing without events that is in the lists of most users; None for a small audience."""
    log = run.log
    if not len(log):
        return None
    names = np.array(run.listing_ids, object)
    unseen, at = "nobody has opened yet", None
    lists, population = recent_lists(run)
    own = lists[lists[C.LISTING].isin(names[log.counts() == 0])]
    if not len(own) and run.has_model and run.trained_until is not None and log.timed:
        unseen, at = "no training event was about", run.trained_until
        lists, population = recent_lists(run, at)
        own = lists[lists[C.LISTING].isin(names[log.counts(log.time < at) == 0])]
    if len(run.market.cover):
        own = own[own[C.LISTING].isin(run.market.cover)]
    if not len(own) or population.share(own[C.LISTING].value_counts().iloc[0]) < IMPRESSIVE:
        return None
    listing = str(own[C.LISTING].value_counts().index[0])
    own = own[own[C.LISTING] == listing].sort_values("rank", kind="stable")
    strips = []
    for user, rank in zip(own[C.USER].head(FIRST), own["rank"], strict=False):
        seen = newest_listings(run, run.user_number[user], at)[:LAST]
        strips.append(Strip(label=f"No. {rank} for the user of these", listings=tuple(seen)))
    return Evidence(
        key="newcomer",
        url=_url("", part="newcomer"),
        more=_url("cold", listing=listing),
        headline=f"A listing that {unseen} reaches {audience_share(population.share(len(own)))}",
        sentence=f"They would find it among their first {K}. Below: what some of them looked at last.",
        population=population.describe(),
        picture="At the left the listing, at the right what users in its audience looked at last.",
        lead=listing,
        columns=(tuple(strips),),
    )


def _recall(run: Run) -> Evidence | None:
    """Compare the default ranking with popularity and with the best baseline."""
    results = (run.metrics or {}).get("results", {})
    simple = best_baseline(results)
    labels = {
        simple: f"The best simple method ({simple})",
        DEFAULT_RANKING: "Our model",
    }
    bars = [
        Bar(
            method=name,
            kind="model" if uses_model(name) else "other",
            label=labels.get(name, method_name(name)),
            **{part: figure.get(part) for part in ("value", "low", "high")},
        )
        for name in dict.fromkeys(("popularity", simple, DEFAULT_RANKING))
        if name is not None and (figure := results.get(name, {}).get(METRIC, {})).get("value") is not None
    ]
    if not bars or bars[-1].method != DEFAULT_RANKING:
        return None
    ours, rivals = bars[-1], [bar for bar in bars[:-1] if bar.method == simple]
    rest = "".join(f"; the best simple method in {100 * bar.value:.0f}" for bar in rivals)
    return Evidence(
        key="recall",
        url=_url("", part="recall"),
        more=_url("compare"),
        headline=f"Our model finds the next listing in {100 * ours.value:.0f} of 100 cases{rest}",
        sentence=f"Found: what a user opened next was among the first {K} of the list made before.",
        population=population_of(run.metrics or {}),
        picture="A bar for each method. Line: range of chance (95%).",
        bars=tuple(bars),
    )


def population_of(metrics: dict[str, Any]) -> str:
    """Return what the figures of an evaluation are of, in words."""
    queries, users = metrics.get("queries", 0), metrics.get("users", 0)
    return f"{count(queries, 'test query', 'test queries')} of {count(users, 'user')}"


def _url(page: str, **params: Any) -> str:
    return f"/{page}?{urlencode(params)}".rstrip("?")


def _with_cover(run: Run, space: str) -> np.ndarray:
    """Return the rows of the listings with a vector in a space and, in a market with photos, a cover."""
    cover = run.market.cover
    has_cover = np.array([not cover or name in cover for name in run.listing_ids], bool)
    return np.flatnonzero(run.index(space).known & has_cover)


def _ids(run: Run, rows: np.ndarray) -> tuple[str, ...]:
    return tuple(run.listing_ids[row] for row in rows)
