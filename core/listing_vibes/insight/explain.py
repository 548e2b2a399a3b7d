"""Explanations of lists: what the events, attributes and photos add to the score of a listing, and its rank without each.

Each part is left out separately and the rest is encoded again, see `listing_vibes.insight.occlusion`. For a user the
other listings and the candidates do not change, so that only the part makes the difference between the two ranks. For two
similar listings an attribute is left out of both, as if the market did not have it, and a photo of its listing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.occlusion import (
    OccludedHistory,
    OccludedListing,
    Part,
    occlude_history,
    occlude_listing,
)
from listing_vibes.market.log import EventLog
from listing_vibes.market.moments import Moment
from listing_vibes.market.splits import Queries
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.histories import HistoryBatch, of_histories, of_users, parse_queries
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.blend import Blend
from listing_vibes.scoring.ranking_names import blend_name
from listing_vibes.scoring.scorer import PrecomputedScores
from listing_vibes.tables import render_table

SHOWN = 5  # events, attributes and photos in the text
#: Tolerance of a recomputed similarity: vectors of many photos are computed partly in bfloat16, those of a few in float32.
STALE = 0.02
CHANGED = "The listings changed since the run was made, so the contribution of each part is unknown."


@dataclass(frozen=True)
class Explanation:
    """The contributions to the score of one listing, the largest first.

    Attributes:
        rank: rank among the candidates of the list, from 1.
        score: score of the model; of similar listings, their cosine in the space.
        ranking: name of the ranking, such as "model + recency"; of similar listings, the space.
        events: `event` (its number in the history, from 1), `listing_id`, `action`, `adds` (how much lower the score is
            without it), `rank_without` (None: the history is empty without it); of similar listings none.
        attributes: `name`, `adds` and, for a user, `rank_without`; None if the time budget was exceeded.
        photos: `listing_id`, `photo` (its position in the listing, 0 is the cover), and the same; None as for `attributes`.
        note: the reason why attributes and photos are unknown, else "".
        blend: by feature of a blend, how much higher the score of the list is by it than that of the mean candidate.
    """

    listing: str
    rank: int
    score: float
    ranking: str
    events: list[dict[str, Any]]
    attributes: list[dict[str, Any]] | None = None
    photos: list[dict[str, Any]] | None = None
    note: str = ""
    blend: dict[str, float] = field(default_factory=dict)

    @property
    def blend_sentence(self) -> str:
        """Return what each feature of the blend adds, compared with the mean candidate; "" without a blend."""
        adds = ", ".join(f"{name} {value:+.3f}" for name, value in self.blend.items())
        return f"By the blend, against the mean candidate: {adds}." if adds else ""

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return the document of `vibes explain` and HTTP, with the `most` largest contributions of each kind (None: all)."""
        return {
            "listing_id": self.listing,
            "rank": self.rank,
            "score": self.score,
            "ranking": self.ranking,
            "events": self.events[:most],
            "attributes": None if self.attributes is None else self.attributes[:most],
            "photos": None if self.photos is None else self.photos[:most],
            **({"blend": self.blend} if self.blend else {}),
            **({"note": self.note} if self.note else {}),
        }

    def to_text(self) -> str:
        """Return the largest contributions, and the rank without each part, as text."""
        rows = [
            {"adds": f"{part['adds']:+.3f}", "part": _describe_part(part)}
            | ({"rank without it": part["rank_without"]} if "rank_without" in part else {})
            for parts in (self.events, self.attributes or [], self.photos or [])
            for part in parts[:SHOWN]
        ]
        head = f"{self.listing} has rank {self.rank:,} by {self.ranking}, with the score {self.score:.3f}."
        table = [render_table(pd.DataFrame(rows, dtype=object))] if rows else []
        return "\n\n".join([head, *table, *filter(None, [self.blend_sentence, self.note])])


def _describe_part(part: Mapping[str, Any]) -> str:
    if "event" in part:
        action = f" ({part['action']})" if part["action"] else ""
        return f"event {part['event']}, {part['listing_id']}{action}"
    return part["name"] if "name" in part else f"photo {part['photo'] + 1} of {part['listing_id']}"


def explain(
    run: Run,
    query: Any,
    listings: str | Sequence[str],
    at: Moment | None = None,
    rules: Rules | Mapping[str, Any] | None = None,
    blend: str | None = None,
    budget: float | None = None,
) -> list[Explanation]:
    """Explain why listings are recommended to a user or for a history by `Run.recommend`; the function behind `vibes explain`.

    >>> results = explain(run, "user-0001", run.recommend("user-0001", k=2)["listing_id"].tolist())
    >>> [result.rank for result in results], results[0].attributes[0]["rank_without"] >= 1
    ([1, 2], True)

    Args:
        listings: one or several; they need not be in the list.
        budget: seconds, see `explain_ranked`.

    Raises:
        VibesError: as for `Run.recommend`, or a listing is unknown.
    """
    run.needs_model()
    rows = [run.row(listing) for listing in ([listings] if isinstance(listings, str) else listings)]
    (request, *more), single = parse_queries(run, query)
    if more or not single:
        raise VibesError("An explanation is for one user or one history; give one at a time.")
    moment, recommender = run.moment(at), run.recommender("model", Rules.of(rules), blend=blend)
    if isinstance(request, str):
        history = of_users(run, [request], None if at is None else moment)
    else:
        history = of_histories(run, [request])
    if history.empty[0]:
        raise VibesError(
            "There is no history before that moment, so the list has popular and recent listings, which need no further "
            "explanation; give a user with events, or a history."
        )
    return explain_ranked(run, recommender, history, moment, rows, budget)


def explain_listing(
    run: Run,
    query: Any,
    listing: str,
    at: Moment | None = None,
    blend: str | None = None,
    space: str | None = None,
) -> Explanation:
    """Explain one listing; `query` is a user or a history, as for `explain`, or a listing, for an explanation of similarity.

    Raises:
        VibesError: `query` is neither a user nor a listing, or is both, or an option does not apply to the kind of list.
    """
    if not isinstance(query, str) or query not in run.listing_row:
        if space is not None:
            raise VibesError(
                f"Option --space is '{space}', but lists for a user or a history use the model; leave it out, or give two listings."
            )
        return explain(run, query, listing, at, blend=blend)[0]
    if query in run.user_number:
        raise VibesError(
            f"'{query}' is a user and a listing of {run.path}; give the user's history with --history."
        )
    if at is not None or blend is not None:
        raise VibesError(
            f"'{query}' is a listing, and similarity does not depend on a moment or a blend; leave out --at and --blend."
        )
    return explain_similarity(run, query, listing, space)


def explain_ranked(
    run: Run,
    recommender: Recommender,
    history: HistoryBatch,
    at: int,
    rows: Sequence[int],
    budget: float | None = None,
) -> list[Explanation]:
    """Explain why each of the listings `rows` was recommended for one history.

    The score is the model's. Ranks are those of the blend, as in lists; the scores of neighbors change without an event, but not
    without an attribute or a photo of the listing. Blends with ids are not explained: their ranks are those of the model only.

    Args:
        budget: time budget in seconds; listings beyond it are explained by events only. None: no limit.
    """
    if not len(rows):
        return []
    until = np.inf if budget is None else time.monotonic() + budget
    if recommender.fit.ids:
        recommender = run.recommender("model", recommender.rules, blend=NOTHING)
    log, start, end = history.log, int(history.start[0]), int(history.end[0])
    occluded = occlude_history(run, log, start, end)
    fit = recommender.fit
    scorer, queries = _blended(recommender, occluded.scores[:1], *occluded.history, at)
    parts = dict(scorer.parts(queries)) | dict(scorer.gains(queries.at))  # by feature, each (1, L)
    order = recommender.moves.add_to(np.asarray(sum(parts.values())), at)  # (1, L)
    if occluded.shorter is not None:
        scorer, queries = _blended(recommender, occluded.scores[1:], *occluded.shorter, at)
        order = np.concatenate([order, recommender.moves.add_to(scorer.score(queries), at)])  # (1 + T, L)
    candidates = _candidates(recommender, log, start, end, at)
    unit, ranking = 1 / float(fit.factor("model")), blend_name(*filter(None, fit.parts.split("+")))
    results = []
    for row in rows:
        ranks = [1 + int((line[candidates] > line[row]).sum()) for line in order]
        blend = {name: float(part[0, row] - part[0, candidates].mean()) for name, part in parts.items()}
        attributes, photos = None, None
        if time.monotonic() < until:
            attributes, photos = _explain_parts(run, occluded, order[0] * unit, candidates, row)
        results.append(
            Explanation(
                listing=run.listing_ids[row],
                rank=ranks[0],
                score=float(occluded.scores[0, row]),
                ranking=ranking,
                events=_explain_events(run, log, start, occluded, ranks[1:], row),
                attributes=attributes,
                photos=photos,
                blend=blend if len(blend) > 1 else {},
            )
        )
    return results


def _blended(
    recommender: Recommender, scores: np.ndarray, log: EventLog, start: np.ndarray, end: np.ndarray, at: int
) -> tuple[Blend, Queries]:
    """Return the blend with the model's `scores` (B, L), and its queries for the histories `start : end` (B,) of `log`."""
    model = PrecomputedScores("model", scores)
    return recommender.blended(model, log), recommender.queries(start, end, at)


def _explain_events(
    run: Run, log: EventLog, start: int, occluded: OccludedHistory, ranks: Sequence[int], row: int
) -> list[dict[str, Any]]:
    """Return the contributions of events to the score of a listing, with its `ranks` without each (none for a single event)."""
    events = [
        {
            "event": int(event) - start + 1,
            "listing_id": run.listing_ids[log.listing[event]],
            "action": log.actions[log.action[event]] if log.action[event] >= 0 else None,
            "adds": float(occluded.scores[0, row] - occluded.scores[1 + number, row]),
            "rank_without": ranks[number] if ranks else None,
        }
        for number, event in enumerate(occluded.events)
    ]
    return _by_adds(events)


def _candidates(recommender: Recommender, log: EventLog, start: int, end: int, at: int) -> np.ndarray:
    """Return the candidates of the list, (L,) bool."""
    allowed = recommender.eligible(at).copy()
    if recommender.rules.drop_seen:
        allowed[log.listing[start:end]] = False
    allowed[log.negatives(np.array([start]), np.array([end]))[1]] = False
    return allowed


Contributions = tuple[list[dict[str, Any]], list[dict[str, Any]]]  # of attributes, and of photos


def _explain_parts(
    run: Run, occluded: OccludedHistory, order: np.ndarray, candidates: np.ndarray, row: int
) -> Contributions:
    """Return the contributions of the parts of a listing, with the ranks without them by `order` (L,)."""
    listing, table = occlude_listing(run, "model", row), run.vectors("model")
    vectors = np.stack([listing.vector, *listing.without.values()])
    of = np.full(len(vectors), row)
    score, *rest = run.late_interaction.scores(occluded.vector, vectors, table, *occluded.history, of=of)[0]
    others = order[candidates & (np.arange(len(order)) != row)]
    parts = []
    for part, without in zip(listing.without, rest, strict=True):
        described = _contribution(part, run.listing_ids[row], float(score) - float(without))
        rank = 1 + int((others > order[row] - described["adds"]).sum())
        parts.append({**described, "rank_without": rank})
    return _contributions(parts)


def _contribution(part: Part, listing: str, adds: float) -> dict[str, Any]:
    if part.kind == "attribute":
        return {"name": part.name, "adds": adds}
    return {"listing_id": listing, "photo": part.name, "adds": adds}


def _contributions(parts: Iterable[dict[str, Any]]) -> Contributions:
    ordered = _by_adds(parts)
    return [part for part in ordered if "name" in part], [part for part in ordered if "photo" in part]


def _by_adds(parts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(parts, key=lambda part: -part["adds"])


def explain_similarity(run: Run, first: str, second: str, space: str | None = None) -> Explanation:
    """Explain the similarity of two listings of a run in a space; None: the space of its lists.

    Raises:
        VibesError: a listing or the space is unknown, or a listing has no vector in the space.
    """
    space = space or run.spaces[0]
    vectors, rows = run.vectors(space), run.rows_in((first, second), space).tolist()
    scores = vectors @ vectors[rows[0]]  # (L,)
    similarity, note, parts = float(scores[rows[1]]), "", []
    try:
        left, right = (occlude_listing(run, space, row) for row in rows)
        # Lists use vectors of half precision, so contributions are relative to the score computed in the same pass.
        if abs(float(left.vector @ right.vector) - similarity) > STALE:
            note = CHANGED
        else:
            parts = [*_similarity_parts((first, left), (second, right))]
            note = "" if parts else f"The space {space} has no attributes or photos that could be left out."
    except VibesError as error:
        if space != "photos":
            raise
        note = str(error)
    allowed = run.recommender(space, Rules(), for_users=False).eligible(None).copy()
    allowed[rows[0]] = False
    rank = 1 + int((scores[allowed] > similarity).sum())
    attributes, photos = _contributions(parts)
    return Explanation(second, rank, similarity, space, [], attributes, photos, note)


def _similarity_parts(*sides: tuple[str, OccludedListing]) -> Iterator[dict[str, Any]]:
    """Yield the contribution of each attribute of two listings, left out of both, and of each of their photos."""
    (first, left), (second, right) = sides
    score = float(left.vector @ right.vector)
    for part in dict.fromkeys([*left.without, *right.without]):
        mine, theirs = left.without.get(part, left.vector), right.without.get(part, right.vector)
        if part.kind == "attribute":
            yield _contribution(part, second, score - float(mine @ theirs))
            continue
        if part in left.without:
            yield _contribution(part, first, score - float(mine @ right.vector))
        if part in right.without:
            yield _contribution(part, second, score - float(left.vector @ theirs))
