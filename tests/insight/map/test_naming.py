"""Names of groups: what tells most, and more where two would be called alike."""

import numpy as np

from listing_vibes.insight.map.naming import names_of
from listing_vibes.insight.map.traits import Held, Trait

WOOD, DARK, SALE, BRIGHT = (Trait("Photos", one, one, 0.9, 0.1) for one in ("wood", "dark", "sale", "bright"))


def test_the_same_said_in_another_order_is_the_same_name():
    traits = [[WOOD, DARK, SALE], [DARK, WOOD, SALE], [DARK, WOOD], [DARK, WOOD], [], []]
    words = [[], [], ["barn"], [], ["barn", "hay"], []]
    assert names_of(traits, words) == [
        "Wood · dark", "Dark · wood · sale", "Dark · wood · “barn”", "Dark · wood (4)", "“barn” · “hay”", "Group 6",
    ]  # fmt: skip


def test_two_that_are_alike_both_say_what_tells_them_apart():
    told = {(1, 0): [WOOD, BRIGHT], (0, 1): [SALE]}
    names = names_of(
        [[WOOD, DARK], [DARK, WOOD]], [[], []], finer=lambda one, other: told.get((one, other), [])
    )
    assert names == ["Wood · dark · sale", "Dark · wood · bright"]


def test_one_of_them_is_enough_and_a_third_is_told_from_the_first():
    told = {(0, 1): [SALE], (2, 0): [BRIGHT]}
    names = names_of([[WOOD, DARK]] * 3, [[]] * 3, finer=lambda one, other: told.get((one, other), []))
    assert names == ["Wood · dark · sale", "Wood · dark", "Wood · dark · bright"]


def test_nothing_is_added_that_contradicts_or_makes_another_groups_name():
    finer = {(2, 0): [BRIGHT, SALE]}
    names = names_of(
        [[WOOD], [WOOD, SALE], [WOOD]],
        [[]] * 3,
        finer=lambda one, other: finer.get((one, other), []),
        never_both=lambda one, other: {one, other} == {"wood", "bright"},
    )
    assert names == ["Wood", "Wood · sale", "Wood (3)"]


def test_a_group_without_a_common_trait_is_called_by_a_rarer_one_before_its_words():
    names = names_of([[], []], [["barn"], ["hay"]], finer=lambda one, other: [SALE, DARK][: 1 - one])
    assert names == ["Sale", "“hay”"]


def test_a_rarer_trait_holds_surely_more_often():
    """A third against a fifth: of 300 that is sure, of 30 it is not."""
    for size, sure in ((300, True), (30, False)):
        place = np.concatenate([np.arange(size // 3), size + np.arange(size // 5)])
        held = Held(
            [("Photos", [("Blue", "blue")], place, np.zeros(len(place), int))], np.repeat([0, 1], size)
        )
        assert [one.piece for one in held.finer(0, 1)] == ["blue"] * sure
        assert held.traits(0) == held.finer(1, 0) == []


def test_pieces_that_no_listing_has_both_of_contradict():
    told = [("a", "low"), ("b", "high"), ("c", "wide")]
    held = Held([("Price", told, np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2]))], np.zeros(3, int))
    assert held.never_both("low", "high") and not held.never_both("high", "wide")
    assert not held.never_both("low", "“barn”")  # of a word nothing is known
