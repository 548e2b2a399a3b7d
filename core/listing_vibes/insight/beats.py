"""A run in five beats: the market by vibe, a listing and those most like it, a visitor, a newcomer, and the recall.

The first page of the explorer and the slides of a report show these beats; a market without photos, events or an evaluation has
fewer of them.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.saved import RANK
from listing_vibes.features.reduce import spherical_kmeans
from listing_vibes.insight.audience import newest_listings, opened_later, recent_lists
from listing_vibes.insight.map.cluster_names import most_typical
from listing_vibes.insight.map.tones import tones_of
from listing_vibes.insight.map.vibe_map import embeddings_of
from listing_vibes.insight.rankings import best_baseline, load_rankings, query_moments
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import Forbidding, write_text
from listing_vibes.market.values import sample_rows
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import METRIC
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, method_name
from listing_vibes.search.index import best
from listing_vibes.words import capitalize, count, enumerated, percent

FILE = "beats.json"
VIBES, COVERS = 8, 5  # vibe groups on the wall, and listings of each
POINTS = 4000  # maximum number of listings that are grouped
SIX, QUERIES = 6, 200  # neighbors; listings that are tried
SAME = 0.97  # the cosine from which two listings are the same photos
HISTORY, LIST, TRIED = 6, 8, 8  # listings shown of a history and of a list; visitors that are tried
SHORTEST = 3  # events of a history
FIRST, LAST = 4, 3  # visitors of a newcomer; listings of each
Key = Literal["vibes", "similar", "visitor", "newcomer", "recall"]


class Strip(Forbidding):
    """Listings under a label."""

    label: str
    listings: tuple[str, ...]
    hits: tuple[str, ...] = ()  # those that the visitor opened next


class Bar(Forbidding):
    """The recall@30 of a method with its 95 % interval, as shares."""

    method: str
    label: str
    value: float
    low: float | None
    high: float | None


class Beat(Forbidding):
    """One statement about a run with its evidence."""

    key: Key
    title: str
    sentence: str
    url: str  # the page of the explorer that shows more of it, from "/" on
    #: Of "vibes" one strip per group; of "similar" the listing and its neighbors; of "visitor" the history, newest last, and the list;
    #: of "newcomer" the listing and the last listings of each of its first visitors.
    strips: tuple[Strip, ...] = ()
    bars: tuple[Bar, ...] = ()  # the figures of "recall"


_BEATS = TypeAdapter(tuple[str, list[Beat]])  # the digest of what they were computed from, and the beats


def five_beats(run: Run) -> list[Beat]:
    """Return the beats of a run; without those that cannot be computed, such as lists of a model where torch is not installed.

    >>> [beat.key for beat in five_beats(run)][:3]
    ['similar', 'visitor', 'newcomer']
    """
    beats: list[Beat] = []
    with suppress(VibesError):  # raised after the last beat
        beats.extend(iterate_beats(run))
    return beats


def iterate_beats(run: Run) -> Iterator[Beat]:
    """Yield the beats of a run, from its cache where nothing changed since; otherwise compute each, and cache them.

    Raises:
        VibesError: a beat cannot be computed; raised after the others.
    """
    digest = state_digest(run)
    try:
        stored, beats = _BEATS.validate_json(run_cache_file(run.path, FILE).read_bytes())
    except (OSError, ValidationError):
        stored, beats = "", []
    if stored == digest:
        yield from beats
        return
    beats = []
    parts: list[Callable[[Run], Beat | None]] = [_vibes, _similar, _visitor, _newcomer, _recall]
    failure: VibesError | None = None
    for compute in parts:
        try:
            beat = compute(run)
        except VibesError as error:  # the other beats do not depend on it
            failure = failure or error
            continue
        if beat is not None:
            beats.append(beat)
            yield beat
    if failure is not None:
        raise failure
    with suppress(VibesError):  # without a cache that can be written they are computed again
        write_text(run_cache(run.path) / FILE, _BEATS.dump_json((digest, beats), indent=1).decode())


def state_digest(run: Run) -> str:
    """Return a digest of what is shown of a run: its embeddings, its market, and its evaluation."""
    metrics = run.metrics or {}
    measured = metrics.get("queries"), metrics.get("results")
    parts = [embeddings_of(run), run.market.fingerprint, run.version, *measured]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _vibes(run: Run) -> Beat | None:
    """Group the listings by their photos; each group is represented by its most typical listings."""
    rows = _with_cover(run, "photos") if "photos" in run.spaces else np.zeros(0, int)
    if len(rows) <= VIBES:
        return None
    sample, vectors = sample_rows(rows, POINTS), run.vectors("photos")
    groups, _ = spherical_kmeans(vectors[sample], VIBES)
    strips = []
    for group in np.argsort(-np.bincount(groups), kind="stable"):
        members, chosen = sample[groups == group], np.zeros(0, int)
        for row in members[most_typical(vectors[members], len(members))]:
            if len(chosen) < COVERS and (vectors[chosen] @ vectors[row] < SAME).all():
                chosen = np.append(chosen, row)
        strips.append(Strip(label="", listings=_ids(run, chosen)))
    return Beat(
        key="vibes",
        title="What this market looks like",
        sentence=f"{count(len(rows), 'listing')}, grouped by nothing but their photos: each group is a vibe that nobody labeled.",
        url=_url("map", space="photos"),
        strips=tuple(strips),
    )


def _similar(run: Run) -> Beat | None:
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
        "photos": "by their photos alone",
        "model": "by what the model learned",
        "attributes": "by their attributes",
    }
    return Beat(
        key="similar",
        title="One listing, and the six most like it",
        sentence=f"Out of {count(len(rows), 'listing')} these six are nearest to the first, {by.get(space, f'by {space}')}.",
        url=_url("similar", listing=listing, space=space),
        strips=(
            Strip(label="This listing", listings=(listing,)),
            Strip(label="Most like it", listings=tuple(neighbors)),
        ),
    )


def _visitor(run: Run) -> Beat | None:
    """Return a visitor of the test period: of a few for whom the list is right, the one with most hits."""
    best, log = None, run.log
    for user, at in _moments(run):
        listed = run.recommend(log.users[user], k=LIST, at=at)[C.LISTING].tolist()
        opened = opened_later(run, user, at)
        hits = [name for name in listed if name in opened]
        if best is None or len(hits) > len(best[3]):
            best = user, at, listed, hits
    if best is None:
        return None
    user, at, listed, hits = best
    start, end = log.history_at(user, at)
    known, history = end - start, newest_listings(run, user, at)[:HISTORY][::-1]
    start_text = f"from {count(known, 'event')} of a visitor we listed what comes next"
    if hits:
        ranks = enumerated([f"{listed.index(hit) + 1}" for hit in hits])
        sentence = f"Here it worked: {start_text}, and they went on to open no. {ranks}."
        title = "One real visitor, and what they opened next"
    else:
        sentence = f"{capitalize(start_text)}."
        title = "One real visitor, and our list"
    return Beat(
        key="visitor",
        title=title,
        sentence=sentence,
        url=_url("users", user=log.users[user], at=known),
        strips=(
            Strip(label="What they had looked at", listings=tuple(history)),
            Strip(label="Our list", listings=tuple(listed), hits=tuple(hits)),
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


def _newcomer(run: Run) -> Beat | None:
    """Return the listing without events that is in the lists of most of the visitors who were active last."""
    log = run.log
    if not len(log):
        return None
    names = np.array(run.listing_ids, object)
    unseen, at = "Nobody has opened it yet", None
    lists = recent_lists(run)
    mine = lists[lists[C.LISTING].isin(names[log.counts() == 0])]
    if not len(mine) and run.has_model and run.trained_until is not None and log.timed:
        unseen, at = "No event of it was in the training", run.trained_until
        lists = recent_lists(run, at)
        mine = lists[lists[C.LISTING].isin(names[log.counts(log.time < at) == 0])]
    if len(run.market.cover):
        mine = mine[mine[C.LISTING].isin(run.market.cover)]
    if not len(mine):
        return None
    listing = str(mine[C.LISTING].value_counts().index[0])
    mine = mine[mine[C.LISTING] == listing].sort_values("rank", kind="stable")
    strips = [Strip(label="The newcomer", listings=(listing,))]
    for user, rank in zip(mine[C.USER].head(FIRST), mine["rank"], strict=False):
        seen = newest_listings(run, run.user_number[user], at)[:LAST]
        strips.append(Strip(label=f"No. {rank} for the visitor of these", listings=tuple(seen)))
    sentence = f"{unseen}, and {len(mine):,} of the last {count(lists[C.USER].nunique(), 'visitor')} would find it among their first {K}."
    return Beat(
        key="newcomer",
        title="A newcomer, and its first audience",
        sentence=sentence,
        url=_url("cold", listing=listing),
        strips=tuple(strips),
    )


def _recall(run: Run) -> Beat | None:
    """Compare the default ranking with popularity and with the best baseline."""
    results = (run.metrics or {}).get("results", {})
    simple = best_baseline(results)
    labels = {
        simple: f"The best simple method ({method_name(simple or '').lower()})",
        DEFAULT_RANKING: "Our model",
    }
    bars = [
        Bar(
            method=name,
            label=labels.get(name, method_name(name)),
            **{part: figure.get(part) for part in ("value", "low", "high")},
        )
        for name in dict.fromkeys(("popularity", simple, DEFAULT_RANKING))
        if name is not None and (figure := results.get(name, {}).get(METRIC, {})).get("value") is not None
    ]
    if not bars:
        return None
    ours, *others = reversed(bars)
    rest = enumerated(
        [f"{bar.label[:1].lower()}{bar.label[1:]} in {percent(bar.value, 0)}" for bar in others]
    )
    sentence = (
        f"{ours.label} had the listing opened next among its first {K} in {percent(ours.value, 0)} of cases"
    )
    return Beat(
        key="recall",
        title="Is it better than simple methods?" if others else "How often is it right?",
        sentence=f"{sentence}, {rest}." if rest else f"{sentence}.",
        url=_url("compare"),
        bars=tuple(bars),
    )


def _url(page: str, **params: Any) -> str:
    return f"/{page}?{urlencode(params)}".rstrip("?")


def _with_cover(run: Run, space: str) -> np.ndarray:
    """Return the rows of the listings with a vector in a space and, in a market with photos, a cover."""
    cover = run.market.cover
    has_cover = np.array([not cover or name in cover for name in run.listing_ids], bool)
    return np.flatnonzero(run.index(space).known & has_cover)


def _ids(run: Run, rows: np.ndarray) -> tuple[str, ...]:
    return tuple(run.listing_ids[row] for row in rows)
