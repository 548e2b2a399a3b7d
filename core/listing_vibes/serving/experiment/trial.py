"""A service that answers by two runs: whom it asks, and the one list that comes of both answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from listing_vibes.run.recommender import Recommender
from listing_vibes.serving.experiment.draft import draft
from listing_vibes.serving.experiment.setup import A, B, Setup
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.service.requests import Found, Recommend
from listing_vibes.serving.service.served import Served

Ask = Callable[[Served, Any], list[Found | Exception]]  # `Served.answer` or `Served.explain`


class Tried(NamedTuple):
    """An answer of an experiment: of which arm it is, or which arm put each listing there."""

    found: Found | Exception
    arm: str | None = None
    teams: Sequence[int] | None = None
    alone: int | None = None  # which of the two runs gave it, where the other one could not


class Trial:
    """An experiment that is being served.

    Args:
        a, b: the states of the two runs in use.
    """

    def __init__(self, setup: Setup, a: NewestState, b: NewestState) -> None:
        self.setup, self.a, self.b = setup, a, b

    def ask(
        self, requests: Sequence[Recommend], ids: Sequence[str], users: Sequence[str | None], how: Ask
    ) -> tuple[Served, Served, list[Tried]]:
        """Answers to requests (their ids, and whom they are for), and the two states that they came of."""
        a, b = self.a.served, self.b.served
        if self.setup.design == "split":
            return (
                a,
                b,
                self._split(a, b, requests, [user or one for user, one in zip(users, ids, strict=True)], how),
            )
        both = zip(requests, ids, how(a, requests), how(b, requests), strict=True)
        return a, b, [self._interleaved(a, request, one, *found) for request, one, *found in both]

    def _split(
        self, a: Served, b: Served, requests: Sequence[Recommend], units: Sequence[str], how: Ask
    ) -> list[Tried]:
        arms = [self.setup.arm_of(unit) for unit in units]
        tried: list[Tried] = [Tried(ValueError())] * len(requests)
        for arm, served in ((A, a), (B, b)):
            places = [place for place, mine in enumerate(arms) if mine == arm]
            if places:
                for place, found in zip(places, how(served, [requests[p] for p in places]), strict=True):
                    tried[place] = Tried(found, arm)
        return tried

    def _interleaved(
        self,
        served: Served,
        request: Recommend,
        request_id: str,
        one: Found | Exception,
        two: Found | Exception,
    ) -> Tried:
        if isinstance(one, Exception) or isinstance(two, Exception):
            if isinstance(one, Exception) and isinstance(two, Found):
                return Tried(two, alone=1)
            return Tried(one, alone=0)
        lists = (one, two)
        picks = draft(
            (one.listings, two.listings),
            request.rules.k,
            self.setup.coins(request_id),
            _room(served, request),
        )
        chosen = [(lists[pick.source], pick.place) for pick in picks]
        ruled = [found.ruled[place] if found.ruled else "" for found, place in chosen]
        found = one._replace(
            listings=[of.listings[place] for of, place in chosen],
            scores=[of.scores[place] for of, place in chosen],
            ruled=ruled if any(ruled) else (),
            reasons=[of.reasons[place] for of, place in chosen] if one.reasons and two.reasons else (),
        )
        return Tried(found, None, [pick.team for pick in picks])


def _room(served: Served, request: Recommend) -> Callable[[str], bool]:
    """Whether the rule `at_most` lets one more listing join: two lists that keep it may break it together."""
    most = request.rules.at_most
    if most is None or request.rules.fill:
        return lambda listing: True
    maker: Recommender = served.run.recommender(None, request.rules)
    sellers: np.ndarray | None = maker.groups.seller
    seen: Counter[int] = Counter()

    def allows(listing: str) -> bool:
        row = served.run.listing_row.get(listing)
        seller = -1 if row is None or sellers is None else int(sellers[row])
        if seller >= 0:
            if seen[seller] >= most:
                return False
            seen[seller] += 1
        return True

    return allows
