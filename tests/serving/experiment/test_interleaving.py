"""Team-draft interleaving: both captains treated alike, each listing once, no team for what both would have; and who gets what."""

import random
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.errors import VibesError
from listing_vibes.serving.experiment.interleaving import BOTH, answer_by_both, draft
from listing_vibes.serving.experiment.setup import Arm, Setup
from listing_vibes.serving.impressions import Maker
from listing_vibes.serving.service.lists import ListRequest, ServedList
from listing_vibes.serving.service.models import RankedListing, RecommendQuery, Results, SimilarQuery

RANKING = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=10)


class Coins:
    """Coins that fall as given."""

    def __init__(self, falls: list[int]) -> None:
        self.falls = iter(falls)

    def getrandbits(self, _: int) -> int:
        return next(self.falls)


def test_captains_pick_in_turns_and_what_both_would_pick_has_no_team():
    lists = (["a", "b", "c", "d"], ["a", "c", "b", "e"])
    assert draft(lists, 5, Coins([1, 0])) == [
        ("a", BOTH), ("c", 1), ("b", 0), ("d", 0), ("e", 1)
    ]  # fmt: skip
    assert draft(lists, 2, Coins([0])) == [("a", BOTH), ("b", 0)]
    lists = (["a"], ["b", "c", "d"])
    assert draft(lists, 9, Coins([0])) == [("a", 0), ("b", 1), ("c", BOTH), ("d", BOTH)]


@given(RANKING, RANKING, st.integers(1, 12), st.integers(0, 99))
def test_every_list_is_complete_and_swapping_the_captains_swaps_the_teams(one, two, k, seed):
    listings = [listing for listing, _ in draft((one, two), k, random.Random(seed))]
    assert len(set(listings)) == len(listings) == min(k, len({*one, *two}))
    coins = random.Random(seed)
    falls = [coins.getrandbits(1) for _ in range(20)]
    other = draft((two, one), k, Coins([1 - fall for fall in falls]))
    swapped = [(listing, BOTH if team == BOTH else 1 - team) for listing, team in other]
    assert swapped == draft((one, two), k, Coins(falls))
    sides = [team for _, team in swapped]
    assert abs(sides.count(0) - sides.count(1)) <= 1


def test_where_one_run_alone_can_answer_its_list_is_of_no_experiment():
    """And similar listings, and requests that name a blend, are of A."""
    setup = Setup(a=Arm(run="a"), b=Arm(run="b"))
    state = SimpleNamespace(run=SimpleNamespace(listing_row={}), name_of=lambda user: user)
    problem = VibesError("no.")
    results = Results(results=[RankedListing(listing_id="x", score=0.5)])
    lists = {name: ServedList(results, (Maker(name, 0, "model only"),)) for name in "ab"}

    def answer(of_a, of_b, request):
        parts = iter([of_b, of_a])

        def make(_, requests):
            mine = next(parts)
            return [mine for _ in requests]

        return answer_by_both(setup, state, state, [request], make)[0]

    request = ListRequest(RecommendQuery(), "u", "r")
    assert answer(problem, lists["b"], request) == lists["b"]
    assert answer(lists["a"], problem, request) == lists["a"]
    assert answer(problem, problem, request) is problem
    drafted = answer(lists["a"], lists["b"], request)
    assert drafted.teams == [BOTH] and [maker.run for maker in drafted.makers] == ["a", "b"]
    for query in (SimilarQuery(), RecommendQuery(blend="recency")):
        assert answer(lists["a"], lists["b"], ListRequest(query, "x")) == lists["a"]
