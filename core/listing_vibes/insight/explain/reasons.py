"""Why a listing was recommended: which events, attributes and photos carried it, and where it would stand without them.

Each is left out alone and what remains is encoded anew (occlusion: Zeiler and Fergus 2014, arXiv 1311.2901): an event of the
history, an attribute or a photo of the recommended listing. The other listings stay as they are, and so does which of them
may be in the list, so that a place without a part differs from the place with it by that part alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain.occlusion import NEWEST, Without, without_each
from listing_vibes.insight.explain.photo_pairs import photo_places
from listing_vibes.insight.explain.similarity import SimilarityExplanation, explain_similarity
from listing_vibes.insight.explain.variants import to_encode, variants_of
from listing_vibes.market.log import EventLog
from listing_vibes.market.moments import Moment
from listing_vibes.run.histories import HistoryBatch, of_histories, of_users
from listing_vibes.run.queries import read_queries
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.scorer import Made

#: Variants of listings that are encoded together at first; a whole listing has some fifteen.
AT_ONCE = 24


@dataclass(frozen=True)
class Reasons:
    """What carried one listing, those that add most first.

    Attributes:
        place: from 1, among the listings that may be in the list, by the score that is explained.
        score: of the model alone.
        events: `event` (its number in the history, from 1), `listing_id`, `action`, `adds` (how much lower the score is
            without it), `place_without` (None: without it nothing is known, and no place differs from another).
        attributes: `name`, `adds`, `place_without`; None where the time was up.
        photos: `photo` (its place in the listing, 0 is the cover, -1: all of them), `adds`, `place_without`; None likewise.
        counts: what places count, see `counted`.
    """

    listing: str
    place: int
    score: float
    events: list[dict[str, Any]]
    attributes: list[dict[str, Any]] | None
    photos: list[dict[str, Any]] | None
    counts: str = "model"

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """As it is told, of each kind the `most` that add most (None: all)."""
        parts = {"attributes": self.attributes, "photos": self.photos}
        return {
            "listing_id": self.listing,
            "place": self.place,
            "score": self.score,
            "counts": self.counts,
            "events": self.events[:most],
            **{name: None if part is None else part[:most] for name, part in parts.items()},
        }


def reasons(
    run: Run,
    maker: Recommender,
    asked: HistoryBatch,
    at: int,
    rows: Sequence[int],
    budget: float | None = None,
    events: int = NEWEST,
) -> list[Reasons]:
    """Why each of the listings `rows` was recommended for one history.

    The score is the model's. Places count what `maker` adds, as lists do; neighbours of the history fall with an event, but stay
    as they are where an attribute or a photo of the listing is left out. Ids are not taken apart: beside them places are
    those of the model alone, as `counted` says.

    Args:
        asked: one history.
        at: the moment of the list.
        budget: seconds after which no more listings are encoded anew: those that come late have events alone. None: all the
            time that it takes.
        events: how many events are left out one by one, from the newest on.
    """
    if not len(rows):
        return []
    began = time.monotonic()
    log, start, end = asked.log, int(asked.start[0]), int(asked.end[0])
    without = without_each(run, log, start, end, events)
    scores, tried, vector = without[:3]  # (1 + T, L), (T,), (1, d)
    placing = _Placing(_candidates(maker, log, start, end, at), _gains(maker, at, without))
    base = placing.places(scores, rows)  # (1 + T, K)
    nothing_left = without.shorter is None and placing.level(scores)
    found, counts = [], counted(maker)
    for column, row in enumerate(rows):
        adds = scores[0, row] - scores[1:, row]
        told = [
            {
                "event": int(event) - start + 1,
                "listing_id": run.listing_ids[log.listing[event]],
                "action": log.actions[log.action[event]] if log.action[event] >= 0 else None,
                "adds": float(added),
                "place_without": None if nothing_left else int(place),
            }
            for event, added, place in zip(tried, adds, base[1:, column], strict=True)
        ]
        found.append(
            Reasons(
                run.listing_ids[row],
                int(base[0, column]),
                float(scores[0, row]),
                _most(told),
                None,
                None,
                counts,
            )
        )
    user = _Asking(run, vector, log, start, end)
    done, step = 0, 1
    while done < len(rows) and (budget is None or time.monotonic() - began < budget):
        # As many as the time that is left allows, by what those took that had to be encoded before.
        new = np.cumsum(to_encode(run, rows[done:]))
        end_of = done + max(1, int(np.searchsorted(new, step, "right")))
        before, some = time.monotonic(), rows[done:end_of]
        for place, parts in enumerate(_parts(run, user, placing, scores[0], some), start=done):
            found[place] = replace(found[place], attributes=parts[0], photos=parts[1])
        encoded = int(new[end_of - done - 1])
        done = end_of
        if encoded:
            each = (time.monotonic() - before) / encoded
            left = np.inf if budget is None else (budget - (time.monotonic() - began)) / max(each, 1e-6)
            if left < 1 and done < len(rows) and to_encode(run, rows[done : done + 1])[0]:
                break
            step = int(max(1, min(left, AT_ONCE)))
    return found


def counted(maker: Recommender) -> str:
    """What places count: the model, or the model and what is added to it."""
    more = maker.rules.boost or maker.rules.dial or maker.additions
    return "model and what is added" if more and not _by_ids(maker) else "model"


@dataclass(frozen=True, eq=False)
class _Placing:
    """Places among the candidates (L,) bool, by scores and what is gained (S, L), or (1, L) by all scores alike."""

    candidates: np.ndarray
    gain: np.ndarray | None

    def places(self, scores: np.ndarray, rows: Sequence[int]) -> np.ndarray:
        """(S, K) from 1: the places of K listings by scores (S, L)."""
        whole = scores if self.gain is None else scores + self.gain
        others = whole[:, self.candidates]  # (S, C)
        return np.stack([1 + (others > whole[:, row, None]).sum(axis=1) for row in rows], axis=1)

    def level(self, scores: np.ndarray) -> bool:
        """Whether by the last of the scores (S, L) all candidates are alike."""
        last = scores[-1] if self.gain is None else scores[-1] + self.gain[-1]  # (L,)
        return len(np.unique(last[self.candidates])) < 2

    def others(self, scores: np.ndarray) -> np.ndarray:
        """(C,) scores (L,) of the candidates with what they gain by the first, the lowest first, to find many places among."""
        return np.sort((scores if self.gain is None else scores + self.gain[0])[self.candidates])

    def among(self, others: np.ndarray, scores: np.ndarray, row: int, own: np.ndarray) -> np.ndarray:
        """(V,) from 1: the places of one listing by other scores (V,) than its own of `scores` (L,), whose `others` these are."""
        gain = 0.0 if self.gain is None else self.gain[0, row]
        mine = own + gain
        above = len(others) - np.searchsorted(others, mine, "right")
        if self.candidates[row]:  # which is not above itself
            above -= scores[row] + gain > mine
        return 1 + above


@dataclass(frozen=True, eq=False)
class _Asking:
    """Whose list it is, by the vector (1, d): scores of listings that have other vectors than the run's."""

    run: Run
    vector: np.ndarray
    log: EventLog
    start: int
    end: int

    def scores(self, vectors: np.ndarray, of: np.ndarray) -> np.ndarray:
        """(V,) of the listings `of` (V,), had they the vectors (V, d)."""
        start, end, table = np.array([self.start]), np.array([self.end]), self.run.vectors("model")
        late = self.run.late_interaction
        return late.scores(self.vector, vectors, table, self.log, start, end, of=of)[0]


def _parts(
    run: Run, user: _Asking, placing: _Placing, scores: np.ndarray, rows: Sequence[int]
) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Of each of K listings its attributes and photos, all variants encoded together."""
    found, others = [], placing.others(scores)
    variants = variants_of(run, rows)
    counts = [len(one.vectors) for one in variants]
    told = np.split(
        user.scores(np.concatenate([one.vectors for one in variants]), np.repeat(rows, counts)),
        np.cumsum(counts)[:-1],
    )
    for row, one, own in zip(rows, variants, told, strict=True):
        lower = own[0] - own[1:]  # (V,)
        places, photos = placing.among(others, scores, row, scores[row] - lower), photo_places(run, row)
        by_kind: dict[str, list[dict[str, Any]]] = {"attribute": [], "photo": []}
        for part, less, place in zip(one.parts, lower, places, strict=True):
            shown = photos[part.place] if 0 <= part.place < len(photos) else part.place
            what = {"name": part.name} if part.kind == "attribute" else {"photo": int(shown)}
            by_kind[part.kind].append(what | {"adds": float(less), "place_without": int(place)})
        found.append((_most(by_kind["attribute"]), _most(by_kind["photo"])))
    return found


def _candidates(maker: Recommender, log: EventLog, start: int, end: int, at: int) -> np.ndarray:
    """(L,) bool: what may be in the list."""
    allowed = maker.eligible(at).copy()
    if maker.rules.drop_seen:
        allowed[log.listing[start:end]] = False
    allowed[log.not_this(np.array([start]), np.array([end]))[1]] = False
    return allowed


def _by_ids(maker: Recommender) -> bool:
    return maker.additions is not None and maker.additions.fit.ids is not None


def _gain(maker: Recommender, at: int | None, scores: np.ndarray) -> np.ndarray | None:
    """(1, L) what every listing's score of `scores` (L,) gains whoever asks."""
    gain = None if at is None else maker.gain_at(at)
    whole = scores[None] if gain is None else scores[None] + gain
    whole = maker.moves.add_to(whole, at)
    moved = maker.rules.boost or maker.rules.unlike or maker.rules.dial or gain is not None
    return whole - scores if moved else None


def _gains(maker: Recommender, at: int, without: Without) -> np.ndarray | None:
    """(1 + T, L) or (1, L): what the scores of `without` gain, so that their sum has the order of the lists."""
    scores = without.scores
    if _by_ids(maker):
        return None
    if not maker.personal:
        return _gain(maker, at, scores[0])
    found = [_own_gain(maker, at, scores[:1], without.whole)]
    if without.shorter is not None:
        found.append(_own_gain(maker, at, scores[1:], without.shorter))
    elif (gain := maker.gain_at(at)) is not None:  # nothing is near to no history
        found.append(gain[None])
    else:
        found.append(np.zeros_like(scores[1:]))
    return np.concatenate(found)


def _own_gain(maker: Recommender, at: int, scores: np.ndarray, asked: HistoryBatch) -> np.ndarray:
    """(S, L) what is added to the model's `scores` (S, L), in their unit: beside neighbours lists standardise them."""
    whole = maker.with_additions(Made("model", scores), asked.log, asked.start, asked.end, at)
    spread = np.std(scores, axis=1, keepdims=True, dtype=np.float64)  # (S, 1)
    found: np.ndarray = spread * maker.moves.add_to(whole, at) - scores
    return found


def _most(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(told, key=lambda one: -one["adds"])


def explain(
    run: Run,
    query: Any,
    listings: str | Sequence[str],
    at: Moment | None = None,
    rules: Rules | Mapping[str, Any] | None = None,
    beside: str | None = None,
    budget: float | None = None,
) -> list[Reasons]:
    """Why listings were recommended to a user or for a history, as `Run.recommend` is asked: what `vibes explain` does.

    >>> found = explain(run, "user-0001", run.recommend("user-0001", k=2)["listing_id"].tolist())
    >>> [one.place for one in found], found[0].attributes[0]["place_without"] >= 1
    ([1, 2], True)

    Args:
        listings: one or several; they need not be in the list.
        budget: seconds, see `reasons`.

    Raises:
        VibesError: as `Run.recommend`, or an unknown listing.
    """
    run.needs_model()
    rows = [run.row(one) for one in ([listings] if isinstance(listings, str) else listings)]
    (asked, *more), single = read_queries(run, query)
    if more or not single:
        raise VibesError("Reasons are those of one user or one history; ask for one at a time.")
    moment, maker = run.moment(at), run.recommender("model", Rules.of(rules), beside=beside)
    told = (
        of_users(run, [asked], None if at is None else moment)
        if isinstance(asked, str)
        else of_histories(run, [asked])
    )
    if told.empty[0]:
        raise VibesError(
            "There is no history to go by before that moment, so the list holds popular and recent listings, which nothing else "
            "explains; give a user with events, or a history."
        )
    return reasons(run, maker, told, moment, rows, budget)


def explain_listing(
    run: Run,
    query: Any,
    listing: str,
    at: Moment | None = None,
    beside: str | None = None,
    budget: float | None = None,
    space: str | None = None,
) -> Reasons | SimilarityExplanation:
    """As `explain`, of one listing; `query` may be a listing as well: then why the other is like it in a `space`.

    Raises:
        VibesError: `query` is neither, or both a user and a listing, or the listing itself, or an option is given that only lists
            for users, or only similar listings, have.
    """
    if not isinstance(query, str) or query not in run.listing_row:
        if space is not None:
            raise VibesError(
                f"Option --space is '{space}', and lists for a user or a history go by the model; leave it out, or give two listings."
            )
        return explain(run, query, listing, at, beside=beside, budget=budget)[0]
    if query in run.user_number:
        raise VibesError(
            f"'{query}' is a user and a listing of {run.path}; give the user's history with --history."
        )
    asked = {"--at": at, "--blend": beside, "--budget": budget}
    if given := [name for name, value in asked.items() if value is not None]:
        raise VibesError(
            f"'{query}' is a listing, and why another lies near to it depends on no moment and on nothing beside the model; leave "
            f"out {' and '.join(given)}."
        )
    if query == listing:
        raise VibesError(f"'{query}' is given twice, and no listing is a neighbour of its own; give another.")
    return explain_similarity(run, query, listing, space)
