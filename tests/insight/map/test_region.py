"""Regions of the map: exactly the places inside, on whole numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listing_vibes.insight.map.region import MOST, SIZE, grid_places, inside, read_outline


def slowly_inside(x, y, outline):
    """How often a ray to the right crosses the outline, in fractions."""
    from fractions import Fraction

    crossings = 0
    for (x1, y1), (x2, y2) in zip(outline, [*outline[1:], outline[0]], strict=True):
        if (y1 > y) != (y2 > y):
            crossings += x < Fraction((x2 - x1) * (y - y1), y2 - y1) + x1
    return crossings % 2 == 1


small = st.integers(0, 12)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(small, small), min_size=3, max_size=8))
def test_it_agrees_with_a_slow_twin_on_every_place_of_a_grid(outline):
    places = np.array([(x, y) for x in range(13) for y in range(13)])
    expected = [slowly_inside(int(x), int(y), outline) for x, y in places]
    assert inside(places, np.array(outline)).tolist() == expected


def test_two_regions_with_a_common_edge_share_no_place_and_far_corners_do_not_overflow():
    places = np.array([(x, y) for x in range(20) for y in range(20)])
    left = inside(places, np.array([(-1, -1), (10, -1), (10, 20), (-1, 20)]))
    right = inside(places, np.array([(10, -1), (20, -1), (20, 20), (10, 20)]))
    assert (left ^ right).all() and left.sum() == 200
    places = np.array([(0, 0), (SIZE, SIZE), (SIZE, 0)], np.uint16)
    far = np.array([(-SIZE, -SIZE), (2 * SIZE, -SIZE), (2 * SIZE, 2 * SIZE), (-SIZE, 2 * SIZE)])
    assert inside(places, far).all()


def test_both_axes_have_one_scale_and_stand_in_the_middle():
    grid = grid_places(np.array([[0.0, 0.0], [10.0, 5.0], [5.0, 2.5]]))
    assert grid.tolist() == [[0, SIZE // 4], [SIZE, 3 * SIZE // 4], [SIZE // 2, SIZE // 2]]
    assert grid_places(np.zeros((2, 2))).tolist() == [[SIZE // 2] * 2] * 2
    assert grid_places(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    "text",
    [
        "", "1,2;3,4", "a,b;c,d;e,f", "1,2;3,4;5", "1,2,3;4,5,6;7,8,9", "1,2;3,4;5,999999", "1.5,2;3,4;5,6", "1,2;;3,4",
        "9" * 5000 + ",1;2,3;4,5", ";".join(["1,2"] * (MOST + 1)),
    ],
)  # fmt: skip
def test_anything_else_is_no_outline(text):
    assert read_outline(text) is None
    assert read_outline("1,2;300,-4;5,60000").tolist() == [[1, 2], [300, -4], [5, 60_000]]
