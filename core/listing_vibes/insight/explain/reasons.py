"""Explanation of a recommendation: the events, attributes and photos that add to its score, and its rank without each.

Each part is left out separately and the rest is encoded again, see `listing_vibes.insight.explain.occlusion`. The other listings
and the candidates do not change, so that only the part makes the difference between the two ranks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain.listing_photos import photo_positions
from listing_vibes.insight.explain.occlusion import NEWEST, OccludedHistory, occlude_listings, without_each
from listing_vibes.insight.explain.similarity import SHOWN, SimilarityExplanation, explain_similarity
from listing_vibes.market.log import EventLog
from listing_vibes.market.moments import Moment
from listing_vibes.run.histories import HistoryBatch, of_histories, of_users
from listing_vibes.run.queries import read_queries
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.scorer import PrecomputedScores
from listing_vibes.tables import render_table

AT_ONCE = 4  # listings per batch; each has about fifteen variants


@dataclass(frozen=True)
class Reasons:
    """The contributions to the score of one listing, the largest first.

    Attributes:
        place: rank among the candidates, from 1.
        score: score of the model only.
        events: `event` (its number in the history, from 1), `listing_id`, `action`, `adds` (how much lower the score is
            without it), `place_without` (None: the history is empty without it, and all listings are equal).
        attributes: `name`, `adds`, `place_without`; None if the time budget was exceeded.
        photos: `photo` (its position in the listing, 0 is the cover), `adds`, `place_without`; None as for `attributes`.
        counts: the ranking in words, see `describe_ranking`.
    """

    listing: str
    place: int
    score: float
    events: list[dict[str, Any]]
    attributes: list[dict[str, Any]] | None
    photos: list[dict[str, Any]] | None
    counts: str = "model"

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return the document of `vibes explain` and HTTP, with the `most` largest contributions of each kind (None: all)."""
        return {
            "listing_id": self.listing,
            "place": self.place,
            "score": self.score,
            "counts": self.counts,
            "events": self.events[:most],
            "attributes": None if self.attributes is None else self.attributes[:most],
            "photos": None if self.photos is None else self.photos[:most],
        }

    def to_text(self) -> str:
        """Return the contributions to the score, and the rank without each part, as text."""
        rows = [
            (
                f"event {event['event']}, {event['listing_id']}"
                + (f" ({event['action']})" if event["action"] else ""),
                event,
            )
            for event in self.events[:SHOWN]
        ]
        rows += [(attribute["name"], attribute) for attribute in (self.attributes or [])[:SHOWN]]
        rows += [(f"photo {photo['photo'] + 1}", photo) for photo in (self.photos or [])[:SHOWN]]
        table = pd.DataFrame(
            {
                "adds": [f"{part['adds']:+.3f}" for _, part in rows],
                "part": [name for name, _ in rows],
                "rank without it": [part["place_without"] for _, part in rows],
            },
            dtype=object,
        )
        head = f"{self.listing} has rank {self.place:,} by the {self.counts}; score {self.score:.3f} by the model."
        return f"{head}\n\n{render_table(table)}"


def reasons(
    run: Run,
    recommender: Recommender,
    asked: HistoryBatch,
    at: int,
    rows: Sequence[int],
    budget: float | None = None,
    events: int = NEWEST,
) -> list[Reasons]:
    """Explain why each of the listings `rows` was recommended for one history.

    The score is the model's. Ranks are those of the blend, as in lists; the scores of neighbors change without an event, but not
    without an attribute or a photo of the listing. Blends with ids are not explained: their ranks are those of the model only.

    Args:
        asked: one history.
        at: the moment of the list.
        budget: time budget in seconds; listings beyond it are explained by events only. None: no limit.
        events: number of newest events that are left out one by one.
    """
    if not len(rows):
        return []
    until = np.inf if budget is None else time.monotonic() + budget
    log, start, end = asked.log, int(asked.start[0]), int(asked.end[0])
    occluded = without_each(run, log, start, end, events)
    order = _order_scores(recommender, at, occluded)  # (1 + T, L)
    candidates = _candidates(recommender, log, start, end, at)
    ranks = 1 + np.stack([(order[:, candidates] > order[:, [row]]).sum(axis=1) for row in rows], axis=1)
    is_known = occluded.shorter is not None or len(np.unique(order[-1, candidates])) > 1
    results = []
    for row, (rank, *without) in zip(rows, ranks.T.tolist(), strict=True):
        adds = occluded.scores[0, row] - occluded.scores[1:, row]
        given = [
            {
                "event": int(event) - start + 1,
                "listing_id": run.listing_ids[log.listing[event]],
                "action": log.actions[log.action[event]] if log.action[event] >= 0 else None,
                "adds": float(added),
                "place_without": place if is_known else None,
            }
            for event, added, place in zip(occluded.events, adds, without, strict=True)
        ]
        score = float(occluded.scores[0, row])
        results.append(
            Reasons(
                run.listing_ids[row], rank, score, _by_adds(given), None, None, describe_ranking(recommender)
            )
        )
    # Scores of a blend with neighbors are in standard deviations of the model's.
    unit = float(np.std(occluded.scores[0], dtype=np.float64)) if _is_personal(recommender) else 1.0
    for first in range(0, len(rows), AT_ONCE):
        if time.monotonic() >= until:
            break
        subset = rows[first : first + AT_ONCE]
        for number, parts in enumerate(
            _parts(run, occluded, order[0] * unit, candidates, subset), start=first
        ):
            results[number] = replace(results[number], attributes=parts[0], photos=parts[1])
    return results


def describe_ranking(recommender: Recommender) -> str:
    """Return the ranking in words: the model only, or the model with its blend."""
    has_more = recommender.rules.boost or recommender.rules.dial or recommender.additions
    return "model and what is added" if has_more and not _has_ids(recommender) else "model"


def _parts(
    run: Run, occluded: OccludedHistory, order: np.ndarray, candidates: np.ndarray, rows: Sequence[int]
) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Return the contribution of each attribute and photo of listings, and the ranks without it by `order` (L,)."""
    listings = occlude_listings(run, "model", rows)
    vectors = np.concatenate([[listing.vector, *listing.without.values()] for listing in listings])
    of = np.repeat(rows, [1 + len(listing.without) for listing in listings])
    scores = iter(
        run.late_interaction.scores(occluded.vector, vectors, run.vectors("model"), *occluded.history, of=of)[
            0
        ]
    )
    others = np.sort(order[candidates])
    results = []
    for row, listing in zip(rows, listings, strict=True):
        positions, score = photo_positions(run, row), float(next(scores))
        by_kind: dict[str, list[dict[str, Any]]] = {"attribute": [], "photo": []}
        for part in listing.without:
            adds = score - float(next(scores))
            lower = order[row] - adds
            above = len(others) - np.searchsorted(others, lower, "right")
            above -= candidates[row] and order[row] > lower  # the listing itself
            if part.kind == "attribute":
                name: dict[str, Any] = {"name": part.name}
            else:
                name = {"photo": part.number if positions is None else int(positions[part.number])}
            by_kind[part.kind].append(name | {"adds": adds, "place_without": 1 + int(above)})
        results.append((_by_adds(by_kind["attribute"]), _by_adds(by_kind["photo"])))
    return results


def _candidates(recommender: Recommender, log: EventLog, start: int, end: int, at: int) -> np.ndarray:
    """Return the candidates of the list, (L,) bool."""
    allowed = recommender.eligible(at).copy()
    if recommender.rules.drop_seen:
        allowed[log.listing[start:end]] = False
    allowed[log.negatives(np.array([start]), np.array([end]))[1]] = False
    return allowed


def _has_ids(recommender: Recommender) -> bool:
    return recommender.additions is not None and recommender.additions.fit.ids is not None


def _is_personal(recommender: Recommender) -> bool:
    return recommender.personal and not _has_ids(recommender)


def _order_scores(recommender: Recommender, at: int, occluded: OccludedHistory) -> np.ndarray:
    """Return the scores that order lists (1 + T, L), for the history and without each event."""
    if _has_ids(recommender):
        return occluded.scores

    def order(scores: np.ndarray, histories: HistoryBatch) -> np.ndarray:
        blended = recommender.with_additions(PrecomputedScores("model", scores), *histories, at)
        return recommender.moves.add_to(blended, at)

    first = order(occluded.scores[:1], occluded.history)
    if occluded.shorter is not None:
        return np.concatenate([first, order(occluded.scores[1:], occluded.shorter)])
    gain = recommender.gain_at(at)  # an empty history has no neighbors
    return np.concatenate([first, occluded.scores[1:] if gain is None else gain[None]])


def _by_adds(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(parts, key=lambda part: -part["adds"])


def explain(
    run: Run,
    query: Any,
    listings: str | Sequence[str],
    at: Moment | None = None,
    rules: Rules | Mapping[str, Any] | None = None,
    blend: str | None = None,
    budget: float | None = None,
) -> list[Reasons]:
    """Explain why listings are recommended to a user or for a history by `Run.recommend`; the function behind `vibes explain`.

    >>> found = explain(run, "user-0001", run.recommend("user-0001", k=2)["listing_id"].tolist())
    >>> [one.place for one in found], found[0].attributes[0]["place_without"] >= 1
    ([1, 2], True)

    Args:
        listings: one or several; they need not be in the list.
        budget: seconds, see `reasons`.

    Raises:
        VibesError: as for `Run.recommend`, or a listing is unknown.
    """
    run.needs_model()
    rows = [run.row(listing) for listing in ([listings] if isinstance(listings, str) else listings)]
    (request, *more), single = read_queries(run, query)
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
    return reasons(run, recommender, history, moment, rows, budget)


def explain_listing(
    run: Run,
    query: Any,
    listing: str,
    at: Moment | None = None,
    blend: str | None = None,
    budget: float | None = None,
    space: str | None = None,
) -> Reasons | SimilarityExplanation:
    """Explain one listing; `query` is a user or a history, as for `explain`, or a listing, for an explanation of similarity.

    Raises:
        VibesError: `query` is neither a user nor a listing, is both, or is the listing itself, or an option does not apply to the
            kind of list.
    """
    if not isinstance(query, str) or query not in run.listing_row:
        if space is not None:
            raise VibesError(
                f"Option --space is '{space}', but lists for a user or a history use the model; leave it out, or give two listings."
            )
        return explain(run, query, listing, at, blend=blend, budget=budget)[0]
    if query in run.user_number:
        raise VibesError(
            f"'{query}' is a user and a listing of {run.path}; give the user's history with --history."
        )
    options = {"--at": at, "--blend": blend, "--budget": budget}
    if given := [name for name, value in options.items() if value is not None]:
        raise VibesError(
            f"'{query}' is a listing, and similarity does not depend on a moment or a blend; leave out {' and '.join(given)}."
        )
    if query == listing:
        raise VibesError(
            f"'{query}' is given twice, but a listing is not a neighbor of itself; give another."
        )
    return explain_similarity(run, query, listing, space)
