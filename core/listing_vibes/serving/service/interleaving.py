"""Lists of a service with two runs, by team-draft interleaving."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

from listing_vibes.run.rules import Rules
from listing_vibes.serving.experiment import Setup
from listing_vibes.serving.service.lists import ListRequest, RunState, ServedList
from listing_vibes.serving.service.models import RecommendQuery

#: Team of a listing that both lists would have picked.
BOTH = -1
Answer = ServedList | Exception


def draft(
    lists: tuple[Sequence[str], Sequence[str]],
    k: int,
    coins: random.Random,
    allows: Callable[[str], bool] = lambda listing: True,
) -> list[tuple[str, int]]:
    """Interleave two lists of listings, best first, to a list of at most `k`: each listing with its team, 0, 1 or `BOTH`.

    Team-draft interleaving of Radlinski, Kurup & Joachims (CIKM 2008, "How does clickthrough data reflect retrieval
    quality?"): in each round a coin decides which list goes first, and each list adds its best listing that is not in the result
    yet. A click on a listing counts for its team. A listing that both lists would add has no team: a click on it does not compare
    the two, and a coin would only add noise. Listings that remain when the other list is exhausted have no team either. Both lists
    are treated alike, so if neither is better, each gets half of the clicks.

    Args:
        coins: drawn once per round.
        allows: whether a listing may be added; called once, just before it is added.
    """
    picks: list[tuple[str, int]] = []
    seen: set[str] = set()
    ranks = [0, 0]
    while len(picks) < k:
        for team in (0, 1):
            while ranks[team] < len(lists[team]) and lists[team][ranks[team]] in seen:
                ranks[team] += 1
        best = [lists[team][rank] if rank < len(lists[team]) else None for team, rank in enumerate(ranks)]
        if best == [None, None]:
            break
        if best[0] == best[1] or None in best:
            turns = [(best[0] or best[1], BOTH)]
        else:
            first = coins.getrandbits(1)
            turns = [(best[first], first), (best[1 - first], 1 - first)]
        for listing, team in turns:
            if listing is not None and len(picks) < k:
                seen.add(listing)  # a listing that is not allowed is skipped for good
                if allows(listing):
                    picks.append((listing, team))
    return picks


def answer_by_both(
    setup: Setup,
    a: RunState,
    b: RunState,
    requests: Sequence[ListRequest],
) -> list[Answer]:
    """Return the lists of an experiment; similar listings, and requests that name a blend, come from A only."""
    shared = [
        isinstance(request.query, RecommendQuery) and request.query.blend is None for request in requests
    ]
    of_b = iter(b.answer([request for request, is_shared in zip(requests, shared, strict=True) if is_shared]))
    return [
        _interleave(setup, a, request, of_a, next(of_b)) if is_shared else of_a
        for request, of_a, is_shared in zip(requests, a.answer(requests), shared, strict=True)
    ]


def _interleave(setup: Setup, a: RunState, request: ListRequest, of_a: Answer, of_b: Answer) -> Answer:
    """Return the interleaved list, or the list of one run if the other has none."""
    if not isinstance(of_a, ServedList) or not isinstance(of_b, ServedList):
        return of_b if isinstance(of_b, ServedList) else of_a
    by_a, by_b = ({row.listing_id: row for row in answer.results.results} for answer in (of_a, of_b))
    coins, allows = setup.coins(request.request_id), _at_most(a, request.query.rules)
    picks = draft((list(by_a), list(by_b)), request.query.k, coins, allows)
    rows = [by_b[listing] if team == 1 or listing not in by_a else by_a[listing] for listing, team in picks]
    results = of_a.results.model_copy(update={"results": rows})
    return ServedList(results, (*of_a.makers, *of_b.makers), teams=[team for _, team in picks])


def _at_most(state: RunState, rules: Rules) -> Callable[[str], bool]:
    """Return a check of the rule `at_most`, which an interleaved list may break although both of its sources keep it."""
    most, run = rules.at_most, state.run
    if most is None or rules.fill:
        return lambda listing: True
    sellers = run.recommender(None, rules).groups.seller
    seen: Counter[int] = Counter()

    def allows(listing: str) -> bool:
        row = run.listing_row.get(listing)
        seller = -1 if row is None or sellers is None else int(sellers[row])
        seen[seller] += 1
        return seller < 0 or seen[seller] <= most

    return allows
