"""Team-draft interleaving: both captains treated alike, each listing once, nobody's what both would have."""

import random

from hypothesis import given
from hypothesis import strategies as st

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


def test_users_keep_their_arm_and_shares_are_as_told():
    setup = Setup(design="split", a=Arm(run="a"), b=Arm(run="b"), share=0.2)
    arms = [setup.arm_of(f"user {number}") for number in range(5000)]
    assert arms == [setup.arm_of(f"user {number}") for number in range(5000)]
    assert 0.18 < arms.count(B) / 5000 < 0.22 and set(arms) == {A, B}
    other = setup.model_copy(update={"salt": "another"})
    assert arms != [other.arm_of(f"user {number}") for number in range(5000)]
    assert setup.coins("x").random() == setup.coins("x").random() != setup.coins("y").random()
