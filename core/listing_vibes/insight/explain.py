"""Explanations of lists: what the events, attributes and photos add to the score of a listing, and its rank without each.

Each part is left out separately and the rest is encoded again, see `listing_vibes.insight.occlusion`. The other listings and the
candidates do not change, so that only the part makes the difference between the two ranks.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.market_view import MarketView, ordinal, shorten, view_of, words
from listing_vibes.insight.occlusion import OccludedHistory, Part, occlude_history, occlude_listing
from listing_vibes.insight.similarity import SimilarityExplanation, explain_similarity
from listing_vibes.market.log import EventLog
from listing_vibes.market.moments import Moment
from listing_vibes.run.histories import HistoryBatch, of_histories, of_users, parse_queries
from listing_vibes.run.recommender import RULES, Recommender
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.blend import COVISITS
from listing_vibes.scoring.ranking_metrics import blend_name
from listing_vibes.words import enumerated, render_table

SHOWN = 5  # events, attributes and photos in the text
LEAST = 0.001  # smallest gain of a reason in the sentence
ROUNDING = 1e-5  # of the sum of the parts of a score


@dataclass(frozen=True)
class Explanation:
    """The contributions to the score of one recommended listing, the largest first.

    Attributes:
        rank: rank among the candidates of the list, from 1.
        score: the score of the list.
        ranking: name of the ranking, such as "model + recency".
        sentence: the event and the attribute or photo that contribute most, in words.
        parts: the contribution of each feature, such as `model` or `recent`, which add up to the score.
        events: `event` (its number in the history, from 1), `listing_id`, `action`, `adds` (how much lower the score is
            without it), `rank_without` (None: the history is empty without it).
        attributes: `name`, `adds` and `rank_without`; None if the time budget was exceeded.
        photos: `listing_id`, `photo` (its position in the listing, 0 is the cover), and the same; None as for `attributes`.
        carrier: the listing of the history that contributes most.
    """

    listing: str
    rank: int
    score: float
    ranking: str
    sentence: str
    parts: dict[str, float]
    events: list[dict[str, Any]]
    attributes: list[dict[str, Any]] | None = None
    photos: list[dict[str, Any]] | None = None
    carrier: str | None = None

    def to_dict(self, most: int | None = None) -> dict[str, Any]:
        """Return the document of `vibes explain` and HTTP, with the `most` largest contributions of each kind (None: all)."""
        return {
            "listing_id": self.listing,
            "rank": self.rank,
            "score": self.score,
            "ranking": self.ranking,
            "sentence": self.sentence,
            "parts": self.parts,
            "events": self.events[:most],
            "attributes": None if self.attributes is None else self.attributes[:most],
            "photos": None if self.photos is None else self.photos[:most],
        }

    def to_text(self) -> str:
        """Return the largest contributions, and the rank without each part, as text."""
        rows = [
            {
                "adds": f"{part['adds']:+.3f}",
                "part": _describe_part(part),
                "rank without it": part["rank_without"],
            }
            for parts in (self.events, self.attributes or [], self.photos or [])
            for part in parts[:SHOWN]
        ]
        parts = " ".join(f"{value:+.3f} {name}" for name, value in self.parts.items()).removeprefix("+")
        sum_ = f" = {parts}" if len(self.parts) > 1 else ""
        head = (
            f"{self.listing} has rank {self.rank:,} by {self.ranking}, with the score {self.score:.3f}{sum_}."
        )
        table = [render_table(pd.DataFrame(rows, dtype=object))] if rows else []
        return "\n\n".join([*filter(None, [self.sentence]), head, *table])


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
) -> Explanation | SimilarityExplanation:
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

    Score and rank are those of the list. The features of neighbors and ids change without an event, but not without an attribute
    or a photo of the listing.

    Args:
        budget: time budget in seconds; listings beyond it are explained by events only. None: no limit.
    """
    if not len(rows):
        return []
    until = np.inf if budget is None else time.monotonic() + budget
    log, start, end = history.log, int(history.start[0]), int(history.end[0])
    occluded = occlude_history(run, log, start, end)
    fit = recommender.fit
    # Lists encode histories in lower precision than explanations need, so their scores differ by some 1e-4.
    listed = recommender.scores(*occluded.history, at)
    parts = listed.columns  # by feature, each (1, L)
    order = recommender.scores(*occluded.history, at, {"model": occluded.scores[:1]}).total  # (1, L)
    covisits = parts.get(COVISITS, np.zeros((1, 0), np.float32))  # (1, L), then also without each event
    if occluded.shorter is not None:
        shorter = recommender.scores(*occluded.shorter, at, {"model": occluded.scores[1:]})
        order = np.concatenate([order, shorter.total])  # (1 + T, L)
        if covisits.size:
            covisits = np.concatenate([covisits, shorter.columns[COVISITS]])
    candidates = _candidates(recommender, log, start, end, at)
    weight, ranking = float(fit.factor("model")), blend_name(*filter(None, fit.parts.split("+")))
    results = []
    for row in rows:
        ranks = [1 + int((line[candidates] > line[row]).sum()) for line in (listed.total[0], *order[1:])]
        features = {name: float(column[0, row]) for name, column in parts.items()}
        if abs(features.get(RULES, 0.0)) <= ROUNDING:
            features.pop(RULES, None)
        events = _explain_events(run, log, start, occluded.events, order[:, row], ranks[1:])
        attributes, photos = None, None
        if time.monotonic() < until:
            attributes, photos = _explain_parts(run, occluded, order[0], candidates, row, weight)
        together = None
        if covisits.size and _carries(COVISITS, parts, candidates, row):
            adds = covisits[0, row] - covisits[1:, row]
            together = int(log.listing[occluded.events[int(adds.argmax()) if len(adds) else 0]])
        sentence = _sentence(view_of(run), row, events, attributes or [], photos or [], together)
        carrier = (
            run.listing_ids[together] if together is not None else events[0]["listing_id"] if events else None
        )
        parts_of = (features, events, attributes, photos, carrier)
        score = float(listed.total[0, row])
        results.append(Explanation(run.listing_ids[row], ranks[0], score, ranking, sentence, *parts_of))
    return results


def _carries(name: str, parts: Mapping[str, np.ndarray], candidates: np.ndarray, row: int) -> bool:
    """Return whether the feature `name` lifts a listing above the mean candidate more than any other does; each is (1, L)."""
    features = {each: part for each, part in parts.items() if each != RULES}
    lifts = {each: float(part[0, row] - part[0, candidates].mean()) for each, part in features.items()}
    return lifts[name] >= LEAST and lifts[name] == max(lifts.values())


def _sentence(
    view: MarketView,
    row: int,
    events: Sequence[Mapping[str, Any]],
    attributes: Sequence[Mapping[str, Any]],
    photos: Sequence[Mapping[str, Any]],
    together: int | None = None,
) -> str:
    """Return why a listing is recommended: the event, and the attribute or photo, that add most; empty if nothing adds anything.

    Args:
        together: the row of the listing of the history whose users opened this one as well, where that carries the score.
    """
    reasons = []
    if together is not None:
        reasons.append(f"users who opened “{view.title(together)}” opened this too")
    elif events and events[0]["adds"] >= LEAST:
        title = view.title(view.market.listing_row[events[0]["listing_id"]])
        action = f" ({words(events[0]['action']).lower()})" if events[0]["action"] else ""
        reasons.append(f"of “{title}”{action}")
    best = max([*attributes, *photos], key=lambda part: part["adds"], default=None)
    if best is not None and best["adds"] >= LEAST:
        of = "because of " if together is not None else "" if reasons else "of "
        reasons.append(f"{of}{_part_in_words(view, row, best)}")
    return f"Because {enumerated(reasons)}." if reasons else ""


def _part_in_words(view: MarketView, row: int, part: Mapping[str, Any]) -> str:
    if "name" not in part:
        return f"its {ordinal(part['photo'] + 1)} photo" if part["photo"] > 0 else "its first photo"
    item = next((item for item in view.market.attributes if item.name == part["name"]), None)
    label = words(part["name"]) if item is None else item.label
    label = label if label[1:2].isupper() else label[:1].lower() + label[1:]
    if item is None or item.shown_as in ("text", "place", "flag"):
        return f"its {label}"
    return f"its {label}: {shorten(view.text(row, item), 40)}"


def _explain_events(
    run: Run, log: EventLog, start: int, events: np.ndarray, scores: np.ndarray, ranks: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the contributions of the `events` (T,) to the score of a listing.

    Args:
        scores: (1 + T,) the score, and without each event; (1,) for a single event, which then has all of the score.
        ranks: the rank without each event, none for a single one.
    """
    results = [
        {
            "event": int(event) - start + 1,
            "listing_id": run.listing_ids[log.listing[event]],
            "action": log.actions[log.action[event]] if log.action[event] >= 0 else None,
            "adds": float(scores[0] - (scores[1 + number] if ranks else 0)),
            "rank_without": ranks[number] if ranks else None,
        }
        for number, event in enumerate(events)
    ]
    return _by_adds(results)


def _candidates(recommender: Recommender, log: EventLog, start: int, end: int, at: int) -> np.ndarray:
    """Return the candidates of the list, (L,) bool."""
    allowed = recommender.eligible(at).copy()
    if recommender.rules.drop_seen:
        allowed[log.listing[start:end]] = False
    allowed[log.negatives(np.array([start]), np.array([end]))[1]] = False
    return allowed


Contributions = tuple[list[dict[str, Any]], list[dict[str, Any]]]  # of attributes, and of photos


def _explain_parts(
    run: Run, occluded: OccludedHistory, order: np.ndarray, candidates: np.ndarray, row: int, weight: float
) -> Contributions:
    """Return the contributions of the parts of a listing, with the ranks without them by the scores `order` (L,).

    Args:
        weight: of the model's similarity in the score.
    """
    listing, table = occlude_listing(run, row), run.vectors("model")
    vectors = np.stack([listing.vector, *listing.without.values()])
    of = np.full(len(vectors), row)
    score, *rest = run.late_interaction.scores(occluded.vector, vectors, table, *occluded.history, of=of)[0]
    others = order[candidates & (np.arange(len(order)) != row)]
    parts = []
    for part, without in zip(listing.without, rest, strict=True):
        described = _contribution(part, run.listing_ids[row], weight * (float(score) - float(without)))
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
