"""Team-draft interleaving: both captains treated alike, each listing once, nobody's what both would have."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.benchmarks.experiment import drafted

from listing_vibes.serving.experiment.draft import BOTH, draft
from listing_vibes.serving.experiment.setup import A, Arm, B, Setup

RANKING = st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=10)


class Coins:
    """Coins that fall as told."""

    def __init__(self, falls: list[int]) -> None:
        self.falls = iter(falls)

    def getrandbits(self, _: int) -> int:
        return next(self.falls)


def named(lists, picks) -> list[tuple[str, int]]:
    return [(lists[pick.source][pick.place], pick.team) for pick in picks]


def test_captains_pick_in_turns_and_what_both_would_pick_is_nobodys():
    lists = (["a", "b", "c", "d"], ["a", "c", "b", "e"])
    assert named(lists, draft(lists, 5, Coins([1, 0]))) == [
        ("a", BOTH), ("c", 1), ("b", 0), ("d", 0), ("e", 1)
    ]  # fmt: skip
    assert named(lists, draft(lists, 2, Coins([0]))) == [("a", BOTH), ("b", 0)]
    assert named((["a"], ["b", "c", "d"]), draft((["a"], ["b", "c", "d"]), 9, Coins([0]))) == [
        ("a", 0), ("b", 1), ("c", BOTH), ("d", BOTH)
    ]  # fmt: skip


@given(RANKING, RANKING, st.integers(1, 12), st.integers(0, 99))
def test_every_list_is_whole_and_swapping_the_captains_swaps_the_teams(one, two, k, seed):
    picks = draft((one, two), k, random.Random(seed))
    listings = [listing for listing, _ in named((one, two), picks)]
    assert len(set(listings)) == len(listings) == min(k, len({*one, *two}))
    coins = random.Random(seed)
    falls = [coins.getrandbits(1) for _ in range(20)]
    other = draft((two, one), k, Coins([1 - fall for fall in falls]))
    swapped = [(listing, BOTH if team == BOTH else 1 - team) for listing, team in named((two, one), other)]
    assert swapped == named((one, two), draft((one, two), k, Coins(falls)))
    teams = [team for _, team in swapped]
    assert abs(teams.count(0) - teams.count(1)) <= 1


def test_the_many_of_the_benchmark_are_drafted_as_the_one_of_the_service():
    rng = np.random.default_rng(0)
    one, two = (np.argsort(rng.random((300, 12)), axis=1) for _ in range(2))
    two[:100] = one[:100]
    two[50:100, :4] = two[50:100, 3::-1]
    coins = rng.integers(0, 2, (300, 7))
    listing, team = drafted(one, two, 7, coins)
    for row in range(300):
        lists = one[row].tolist(), two[row].tolist()
        # The service tosses no coin where both agree; the benchmark throws that one away.
        used = [
            coin
            for coin, agreed in zip(coins[row], agreements(*lists, coins[row]), strict=False)
            if not agreed
        ]
        assert list(zip(listing[row].tolist(), team[row].tolist(), strict=True)) == named(
            lists, draft(lists, 7, Coins(used))
        )


def agreements(one, two, coins) -> list[bool]:
    """Round by round whether both would put in the same."""
    there, found = set(), []
    for _ in coins:
        left = [[listing for listing in ranking if listing not in there] for ranking in (one, two)]
        if not left[0]:
            break
        there |= {left[0][0], left[1][0]}
        found.append(left[0][0] == left[1][0])
    return found


def test_users_keep_their_arm_and_shares_are_as_told():
    setup = Setup(design="split", a=Arm(run="a"), b=Arm(run="b"), share=0.2)
    arms = [setup.arm_of(f"user {number}") for number in range(5000)]
    assert arms == [setup.arm_of(f"user {number}") for number in range(5000)]
    assert 0.18 < arms.count(B) / 5000 < 0.22 and set(arms) == {A, B}
    other = setup.model_copy(update={"salt": "another"})
    assert arms != [other.arm_of(f"user {number}") for number in range(5000)]
    assert setup.coins("x").random() == setup.coins("x").random() != setup.coins("y").random()
